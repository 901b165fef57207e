/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "control/nic_bond.h"
#include "control/nic_filter.h"
#include "dataplane/view.h"

/*
 * A NIC for test_nic_filter.c: the rte_eth_* functions below are its driver. After every single
 * call of the driver it is checked that each address that is wanted before and after the change
 * still passes, and at rest that all do.
 */

#define OWN UINT64_C(0x020000000099)
#define UNICAST(n) (UINT64_C(0x020000000100) + (n))
#define GROUP(n) (UINT64_C(0x01005e000100) + (n))
#define MOST 64

/* What the driver can do, and what it has been told. */
static struct {
	uint32_t table_room; /* addresses besides its own that really fit */
	bool has_table, has_list, has_allmulticast, has_promiscuous;
	uint32_t list_room;
	bool refusal_empties; /* a refused multicast list leaves none, as with several drivers */
	bool cannot_close;    /* promiscuous and allmulticast cannot be switched off */
	bool member_refuses;  /* a bond's member does not open itself to all multicast */
	uint64_t member_mac;  /* of a bond's member; 0: no bond */
	uint64_t table[MOST], list[MOST];
	uint32_t n_table, n_list;
	bool allmulticast, promiscuous;
	uint32_t calls;
	/* rte_flow: rules that pass their address and put it into a queue */
	bool has_flow, no_count, no_steer;
	uint32_t flow_room;
	struct fake_rule {
		uint64_t mac;
		uint16_t queue;
		bool used, counts;
		uint64_t hits;
	} rules[MOST];
	uint32_t n_rules;
} dev;

static struct nic nic;
static struct nic_filter filter;
static struct nic_steer steer;
static uint64_t own_queue[MAX_PORTS], looked_up[MAX_PORTS]; /* what the workers counted */
static uint64_t staying[MOST]; /* wanted before and after the change under way */
static uint32_t n_staying;
static char history[4096]; /* the driver calls of the change under way */
static uint32_t violations;

static uint64_t
from_ether(const struct rte_ether_addr *addr)
{
	uint64_t mac = 0;

	for (int i = 0; i < RTE_ETHER_ADDR_LEN; i++)
		mac = mac << 8 | addr->addr_bytes[i];
	return mac;
}

static bool
has(const uint64_t *macs, uint32_t n, uint64_t mac)
{
	for (uint32_t i = 0; i < n; i++)
		if (macs[i] == mac)
			return true;
	return false;
}

static bool
passes(uint64_t mac)
{
	if (dev.promiscuous || mac == OWN)
		return true;
	if (mac & MAC_MULTICAST_BIT)
		return dev.allmulticast || has(dev.list, dev.n_list, mac);
	for (uint32_t i = 0; i < MOST; i++)
		if (dev.rules[i].used && dev.rules[i].mac == mac)
			return true;
	return has(dev.table, dev.n_table, mac);
}

/* Can the device pass everything at all? Without promiscuous mode some wishes are in vain. */
static bool
capable(void)
{
	return dev.has_promiscuous;
}

/* Every driver call ends here. */
static int
called(const char *what, int ret)
{
	size_t len = strlen(history);

	dev.calls++;
	snprintf(history + len, sizeof(history) - len, " %s=%d", what, ret);
	for (uint32_t i = 0; i < n_staying; i++)
		if (!passes(staying[i])) {
			violations++;
			print_error("%012lx does not pass after:%s\n", (unsigned long)staying[i],
				    history);
		}
	return ret;
}

int
rte_eth_dev_mac_addr_add(uint16_t port, struct rte_ether_addr *addr, uint32_t pool)
{
	uint64_t mac = from_ether(addr);

	assert_int_equal(port, nic.ethdev);
	assert_int_equal(pool, 0);
	assert_true(mac != 0 && (mac & MAC_MULTICAST_BIT) == 0); /* the library says -EINVAL */
	if (!dev.has_table)
		return called("add", -ENOTSUP);
	if (has(dev.table, dev.n_table, mac))
		return called("add", 0);
	if (dev.n_table == dev.table_room)
		return called("add", -ENOSPC);
	dev.table[dev.n_table++] = mac;
	return called("add", 0);
}

int
rte_eth_dev_mac_addr_remove(uint16_t port, struct rte_ether_addr *addr)
{
	uint64_t mac = from_ether(addr);

	assert_int_equal(port, nic.ethdev);
	assert_true(mac != OWN); /* the library says -EADDRINUSE */
	for (uint32_t i = 0; i < dev.n_table; i++)
		if (dev.table[i] == mac) {
			dev.table[i] = dev.table[--dev.n_table];
			break;
		}
	return called("remove", 0);
}

int
rte_eth_dev_set_mc_addr_list(uint16_t port, struct rte_ether_addr *list, uint32_t n)
{
	assert_int_equal(port, nic.ethdev);
	if (!dev.has_list)
		return called("list", -ENOTSUP);
	if (n > dev.list_room) {
		if (dev.refusal_empties)
			dev.n_list = 0;
		return called("list", -ENOSPC);
	}
	for (uint32_t i = 0; i < n; i++)
		dev.list[i] = from_ether(&list[i]);
	dev.n_list = n;
	return called("list", 0);
}

static int
switch_mode(const char *what, bool supported, bool *mode, bool on)
{
	if (!supported)
		return called(what, -ENOTSUP);
	if (!on && dev.cannot_close)
		return called(what, -EIO);
	*mode = on;
	return called(what, 0);
}

int
rte_eth_allmulticast_enable(uint16_t port)
{
	assert_int_equal(port, nic.ethdev);
	return switch_mode("allmulticast", dev.has_allmulticast, &dev.allmulticast, true);
}

int
rte_eth_allmulticast_disable(uint16_t port)
{
	assert_int_equal(port, nic.ethdev);
	return switch_mode("no-allmulticast", dev.has_allmulticast, &dev.allmulticast, false);
}

int
rte_eth_promiscuous_enable(uint16_t port)
{
	assert_int_equal(port, nic.ethdev);
	return switch_mode("promiscuous", dev.has_promiscuous, &dev.promiscuous, true);
}

int
rte_eth_promiscuous_disable(uint16_t port)
{
	assert_int_equal(port, nic.ethdev);
	return switch_mode("no-promiscuous", dev.has_promiscuous, &dev.promiscuous, false);
}

/* A bond's other members, which follow what the bond itself was told. */
static int
members_follow(const char *what, bool *mode, bool on)
{
	if (on && dev.member_refuses && mode == &dev.allmulticast) {
		*mode = false;
		return called(what, -EIO);
	}
	return 0;
}

int
nic_bond_promiscuous(const struct nic *n, bool on)
{
	assert_ptr_equal(n, &nic);
	return members_follow("members-promiscuous", &dev.promiscuous, on);
}

int
nic_bond_allmulticast(const struct nic *n, bool on)
{
	assert_ptr_equal(n, &nic);
	return members_follow("members-allmulticast", &dev.allmulticast, on);
}

bool
nic_bond_owns(const struct nic *n, const struct rte_ether_addr *addr)
{
	assert_ptr_equal(n, &nic);
	return dev.member_mac != 0 && from_ether(addr) == dev.member_mac;
}

RTE_DEFINE_PER_LCORE(int, _rte_errno);

/* What a pattern and its actions ask for; -ENOTSUP: not of the kind that the device takes. */
static int
read_rule(const struct rte_flow_item pattern[], const struct rte_flow_action actions[],
	  struct fake_rule *rule)
{
	const struct rte_flow_item_eth *spec = pattern[0].spec, *mask = pattern[0].mask;

	memset(rule, 0, sizeof(*rule));
	if (!dev.has_flow)
		return -ENOSYS;
	assert_int_equal(pattern[0].type, RTE_FLOW_ITEM_TYPE_ETH);
	assert_int_equal(from_ether(&mask->hdr.dst_addr), MAC_BROADCAST);
	assert_int_equal(pattern[1].type, RTE_FLOW_ITEM_TYPE_END);
	rule->mac = from_ether(&spec->hdr.dst_addr);
	for (; actions->type != RTE_FLOW_ACTION_TYPE_END; actions++) {
		if (actions->type == RTE_FLOW_ACTION_TYPE_COUNT)
			rule->counts = true;
		else
			rule->queue = ((const struct rte_flow_action_queue *)actions->conf)->index;
	}
	assert_in_range(rule->queue, nic.shared_queues, nic.rx_queues - 1);
	return rule->counts && dev.no_count ? -ENOTSUP : 0;
}

int
rte_flow_validate(uint16_t port, const struct rte_flow_attr *attr,
		  const struct rte_flow_item pattern[], const struct rte_flow_action actions[],
		  struct rte_flow_error *error)
{
	struct fake_rule rule;

	(void)error;
	assert_int_equal(port, nic.ethdev);
	assert_true(attr->ingress);
	return read_rule(pattern, actions, &rule);
}

struct rte_flow *
rte_flow_create(uint16_t port, const struct rte_flow_attr *attr,
		const struct rte_flow_item pattern[], const struct rte_flow_action actions[],
		struct rte_flow_error *error)
{
	struct fake_rule rule;
	int err = read_rule(pattern, actions, &rule);

	(void)port, (void)attr, (void)error;
	if (err == 0 && dev.n_rules >= dev.flow_room)
		err = -ENOSPC;
	rte_errno = -err;
	for (uint32_t i = 0; i < MOST && err == 0; i++) {
		assert_false(dev.rules[i].used && dev.rules[i].mac == rule.mac);
		if (dev.rules[i].used)
			continue;
		dev.rules[i] = rule;
		dev.rules[i].used = true;
		dev.n_rules++;
		called("flow", 0);
		return (struct rte_flow *)&dev.rules[i];
	}
	called("flow", err);
	return NULL;
}

int
rte_flow_destroy(uint16_t port, struct rte_flow *flow, struct rte_flow_error *error)
{
	struct fake_rule *rule = (struct fake_rule *)flow;

	(void)port, (void)error;
	assert_true(rule->used);
	rule->used = false;
	dev.n_rules--;
	return called("no-flow", 0);
}

int
rte_flow_query(uint16_t port, struct rte_flow *flow, const struct rte_flow_action *action,
	       void *data, struct rte_flow_error *error)
{
	const struct fake_rule *rule = (const struct fake_rule *)flow;
	struct rte_flow_query_count *count = data;

	(void)port, (void)error;
	assert_int_equal(action->type, RTE_FLOW_ACTION_TYPE_COUNT);
	assert_true(rule->used && rule->counts);
	count->hits_set = 1;
	count->hits = rule->hits;
	return 0;
}

const char *
rte_strerror(int err)
{
	return strerror(err);
}

int
rte_log(uint32_t level, uint32_t type, const char *format, ...)
{
	(void)level, (void)type, (void)format;
	return 0;
}

void
nic_note(struct nic *n, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(n->notes[0], sizeof(n->notes[0]), fmt, ap);
	va_end(ap);
	n->n_notes = 1;
}

static int
setup(void **state)
{
	(void)state;
	memset(&dev, 0, sizeof(dev));
	memset(&nic, 0, sizeof(nic));
	nic.ethdev = 3;
	for (int i = 0; i < 6; i++)
		nic.mac.b[i] = (uint8_t)(OWN >> (8 * (5 - i)));
	dev.has_table = dev.has_list = dev.has_allmulticast = dev.has_promiscuous = true;
	dev.table_room = 3;
	dev.list_room = 3;
	nic.max_mac_addrs = 4;
	memset(own_queue, 0, sizeof(own_queue));
	memset(looked_up, 0, sizeof(looked_up));
	nic_steer_init(&steer);
	nic.shared_queues = nic.rx_queues = 1;
	n_staying = violations = 0;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	n_staying = 0;
	nic_steer_free(&steer, &nic);
	nic_filter_free(&filter);
	assert_int_equal(violations, 0);
	return 0;
}

static enum demux demux;

/* Applies n unicast addresses and as many groups as said; whole sets, as publish.c does. */
static void
apply_set(const uint64_t *macs, uint32_t n, bool promiscuous, bool allmulticast)
{
	struct filter_want want = {.promiscuous = promiscuous, .allmulticast = allmulticast};

	memset(want.may_steer, true, sizeof(want.may_steer));
	want.demux = demux;
	n_staying = 0;
	history[0] = '\0';
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(nic_filter_want(&want, macs[i], (uint16_t)i), 0);
		for (uint32_t k = 0; k < filter.now.n; k++)
			if (filter.now.addresses[k].mac == macs[i] && capable())
				staying[n_staying++] = macs[i];
	}
	nic_filter_apply(&filter, &nic, &want);
	assert_null(want.addresses);
	assert_int_equal(want.n, 0);
	for (uint32_t i = 0; i < n && capable(); i++)
		if (!passes(macs[i])) {
			violations++;
			print_error("%012lx does not pass at rest:%s\n", (unsigned long)macs[i],
				    history);
		}
}

static void
apply(uint32_t unicast, uint32_t groups)
{
	uint64_t macs[MOST] = {0};
	uint32_t n = 0;

	for (uint32_t i = 0; i < unicast; i++)
		macs[n++] = UNICAST(i);
	for (uint32_t i = 0; i < groups; i++)
		macs[n++] = GROUP(i);
	apply_set(macs, n, false, false);
}

/* The address as the filter has it now. */
static const struct filter_address *
wanted(uint64_t mac)
{
	for (uint32_t i = 0; i < filter.now.n; i++)
		if (filter.now.addresses[i].mac == mac)
			return &filter.now.addresses[i];
	fail_msg("%012lx is not there", (unsigned long)mac);
	return NULL;
}
