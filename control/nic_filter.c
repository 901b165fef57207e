/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * From what the ports want to what the NIC passes. Called on the control thread by publish.c after
 * each change of the picture. Success codes of drivers prove little (several accept what they
 * ignore), which is why workers look at every destination again.
 */
#include "control/nic_filter.h"

#include <errno.h>
#include <rte_errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/log.h"
#include "control/nic_bond.h"
#include "dataplane/view.h"

static const char *const tier_names[] = {
	[TIER_OWN] = "mac-filter",          [TIER_FLOW_QUEUE] = "flow-queue",
	[TIER_MAC_FILTER] = "mac-filter",   [TIER_ALLMULTICAST] = "allmulticast",
	[TIER_PROMISCUOUS] = "promiscuous",
};

static const char table_full[] = "the device's address table is full";
static const char not_closed[] = "nobody asks for it, but the driver did not switch it off";

const char *
filter_tier_name(enum filter_tier tier)
{
	return tier_names[tier];
}

static struct filter_address *
find(const struct filter_want *want, uint64_t mac)
{
	for (uint32_t i = 0; i < want->n; i++)
		if (want->addresses[i].mac == mac)
			return &want->addresses[i];
	return NULL;
}

int
nic_filter_want(struct filter_want *want, uint64_t mac, uint16_t port)
{
	if (find(want, mac) != NULL)
		return 0;
	if (want->n == want->room) {
		uint32_t room = want->room == 0 ? 64 : want->room * 2;
		struct filter_address *grown = reallocarray(want->addresses, room, sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		want->addresses = grown;
		want->room = room;
	}
	want->addresses[want->n++] = (struct filter_address){.mac = mac, .port = port};
	return 0;
}

static bool
is_programmed(const struct nic_filter *f, uint64_t mac)
{
	for (uint32_t i = 0; i < f->n_programmed; i++)
		if (f->programmed[i] == mac)
			return true;
	return false;
}

/* Puts one unicast address into the device's table. NULL: it is there; else why it is not. */
static const char *
program(struct nic_filter *f, struct nic *nic, uint64_t mac)
{
	struct rte_ether_addr addr;
	uint64_t *grown;
	int err;

	if (is_programmed(f, mac))
		return NULL;
	/* The device's own address takes one place. */
	if (nic->max_mac_addrs <= 1)
		return "the driver has no table of further addresses";
	if (f->n_programmed + 1 >= nic->max_mac_addrs)
		return table_full;
	mac_bytes_from_u64(mac, addr.addr_bytes);
	if (nic_bond_owns(nic, &addr))
		return "it is a bond member's own address, which changes with the active member";
	grown = reallocarray(f->programmed, f->n_programmed + 1, sizeof(*grown));
	if (grown == NULL)
		return "out of memory";
	f->programmed = grown;
	err = rte_eth_dev_mac_addr_add(nic->ethdev, &addr, 0);
	if (err == -ENOTSUP)
		return "the driver has no table of further addresses";
	if (err == -ENOSPC)
		return table_full;
	if (err != 0)
		return "the driver refused the address";
	f->programmed[f->n_programmed++] = mac;
	return NULL;
}

static void
unprogram(struct nic_filter *f, struct nic *nic, uint64_t mac)
{
	struct rte_ether_addr addr;

	mac_bytes_from_u64(mac, addr.addr_bytes);
	if (rte_eth_dev_mac_addr_remove(nic->ethdev, &addr) != 0)
		log_warning("ethdev %u: an address could not be removed", nic->ethdev);
	for (uint32_t i = 0; i < f->n_programmed; i++) {
		if (f->programmed[i] != mac)
			continue;
		f->programmed[i] = f->programmed[--f->n_programmed];
		return;
	}
}

/* Takes addresses that nobody wants any more out of the device's table. */
static void
unprogram_stale(struct nic_filter *f, struct nic *nic, const struct filter_want *want)
{
	for (uint32_t i = 0; i < f->n_programmed;) {
		if (find(want, f->programmed[i]) == NULL)
			unprogram(f, nic, f->programmed[i]);
		else
			i++;
	}
}

static void
set_promiscuous(struct nic_filter *f, struct nic *nic, const char *why)
{
	int err;

	if (why != NULL && !f->promiscuous) {
		err = rte_eth_promiscuous_enable(nic->ethdev);
		if (err == 0)
			err = nic_bond_promiscuous(nic, true);
		if (err == -ENOTSUP)
			nic_note(nic, "the driver has no promiscuous mode: what it passes without "
				      "is what ports get");
		else if (err != 0)
			nic_note(nic, "promiscuous mode was refused: %s", rte_strerror(-err));
		f->promiscuous = err == 0;
	} else if (why == NULL && f->promiscuous) {
		f->promiscuous = rte_eth_promiscuous_disable(nic->ethdev) != 0;
		if (!f->promiscuous)
			nic_bond_promiscuous(nic, false);
		why = not_closed;
	}
	f->promiscuous_why = f->promiscuous ? why : NULL;
}

/* Returns 0, or why the device cannot open itself to all multicast. */
static int
set_allmulticast(struct nic_filter *f, struct nic *nic, const char *why)
{
	int err = 0;

	if (why != NULL && !f->allmulticast) {
		err = rte_eth_allmulticast_enable(nic->ethdev);
		if (err == 0)
			err = nic_bond_allmulticast(nic, true);
		f->allmulticast = err == 0;
	} else if (why == NULL && f->allmulticast) {
		f->allmulticast = rte_eth_allmulticast_disable(nic->ethdev) != 0;
		if (!f->allmulticast)
			nic_bond_allmulticast(nic, false);
		why = not_closed;
	}
	f->allmulticast_why = f->allmulticast ? why : NULL;
	return err;
}

static uint32_t
count_groups(const struct filter_want *want)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < want->n; i++)
		n += (want->addresses[i].mac & MAC_MULTICAST_BIT) != 0;
	return n;
}

/* How many groups are wanted before and after. */
static uint32_t
count_staying_groups(const struct nic_filter *f, const struct filter_want *want)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < want->n; i++)
		n += (want->addresses[i].mac & MAC_MULTICAST_BIT) != 0 &&
		     find(&f->now, want->addresses[i].mac) != NULL;
	return n;
}

/*
 * Several drivers empty their list before they find that a longer one does not fit. So when the
 * list in force is about to be replaced by one longer than any that was taken, the device is open
 * meanwhile.
 */
static void
open_for_longer_list(struct nic_filter *f, struct nic *nic, const struct filter_want *want)
{
	static const char why[] = "while the multicast list changes";

	if (f->promiscuous || f->allmulticast || !f->list_in_force ||
	    count_groups(want) <= f->longest_list || count_staying_groups(f, want) == 0)
		return;
	if (set_allmulticast(f, nic, why) != 0)
		set_promiscuous(f, nic, why);
}

/* Hands the multicast list to the device. NULL, or why it has not got it. */
static const char *
program_multicast(struct nic_filter *f, struct nic *nic, const struct filter_want *want)
{
	uint32_t n = count_groups(want), k = 0;
	struct rte_ether_addr *list;
	int err;

	/* Replacing a list by itself would lose frames with drivers that empty it first. */
	if (f->list_in_force && n == count_groups(&f->now) && n == count_staying_groups(f, want))
		return NULL;
	list = calloc(n + 1, sizeof(*list));
	if (list == NULL)
		return "out of memory";
	for (uint32_t i = 0; i < want->n; i++)
		if (want->addresses[i].mac & MAC_MULTICAST_BIT)
			mac_bytes_from_u64(want->addresses[i].mac, list[k++].addr_bytes);
	open_for_longer_list(f, nic, want);
	err = rte_eth_dev_set_mc_addr_list(nic->ethdev, list, n);
	free(list);
	f->list_in_force = err == 0;
	if (err == 0)
		f->longest_list = RTE_MAX(f->longest_list, n);
	/* Where nothing is wanted, a driver without a list is no reason to open it. */
	if (err == 0 || n == 0)
		return NULL;
	if (err == -ENOTSUP)
		return "the driver has no multicast list";
	return err == -ENOSPC ? "the device's multicast list is full"
			      : "the driver refused the multicast list";
}

static struct filter_address *
evictable(const struct nic_filter *f, struct filter_want *want)
{
	for (uint32_t i = 0; i < want->n; i++)
		if (want->addresses[i].tier == TIER_FLOW_QUEUE &&
		    is_programmed(f, want->addresses[i].mac))
			return &want->addresses[i];
	return NULL;
}

/* As program, but an address that a rule passes as well gives up its place in a full table. */
static const char *
program_before_steered(struct nic_filter *f, struct nic *nic, struct filter_want *want,
		       uint64_t mac)
{
	const char *why = program(f, nic, mac);
	const struct filter_address *victim;

	while (why == table_full && (victim = evictable(f, want)) != NULL) {
		unprogram(f, nic, victim->mac);
		why = program(f, nic, mac);
	}
	return why;
}

static bool
may_steer(const struct nic_filter *f, const struct filter_want *want,
	  const struct filter_address *a)
{
	return f->steer != NULL && want->may_steer[a->port] &&
	       (want->demux == DEMUX_AUTO || want->demux == DEMUX_FLOW);
}

/* Rules first: what they pass needs no place in the table. */
static void
steer_unicast(struct nic_filter *f, struct nic *nic, struct filter_want *want)
{
	for (uint32_t i = 0; i < want->n; i++) {
		struct filter_address *a = &want->addresses[i];

		if ((a->mac & MAC_MULTICAST_BIT) || a->tier == TIER_OWN || !may_steer(f, want, a))
			continue;
		/* Between the old owner's rule and the new one's it needs another way in. */
		if (nic_steer_has_other(f->steer, a->mac, a->port) && !is_programmed(f, a->mac))
			set_promiscuous(f, nic, "while a flow rule moves");
		a->no_rule =
			nic_steer_add(f->steer, nic, a->mac, a->port, f->traffic, f->traffic_ctx);
		if (a->no_rule != NULL)
			continue;
		a->tier = TIER_FLOW_QUEUE;
		a->why = "a flow rule puts it into the port's own queue";
	}
}

static void
start_unicast(struct nic *nic, struct filter_want *want)
{
	uint64_t own = mac_to_u64(&nic->mac);

	for (uint32_t i = 0; i < want->n; i++) {
		struct filter_address *a = &want->addresses[i];

		a->tier = a->mac == own ? TIER_OWN : TIER_PROMISCUOUS;
		a->why = "the device's own address";
		a->no_rule = NULL;
	}
}

/*
 * Unicast into queues and table; returns why promiscuous mode is needed, or NULL. Steered addresses
 * take what room is left in the table: on some NICs rules come after the address filter.
 */
static const char *
apply_unicast(struct nic_filter *f, struct nic *nic, struct filter_want *want)
{
	const char *promiscuous = NULL;

	start_unicast(nic, want);
	steer_unicast(f, nic, want);
	for (uint32_t i = 0; i < want->n; i++) {
		struct filter_address *a = &want->addresses[i];

		if ((a->mac & MAC_MULTICAST_BIT) || a->tier != TIER_PROMISCUOUS)
			continue;
		a->why = want->demux == DEMUX_PROMISC
				 ? "demux promisc is set"
				 : program_before_steered(f, nic, want, a->mac);
		a->tier = a->why == NULL ? TIER_MAC_FILTER : TIER_PROMISCUOUS;
		if (a->why == NULL)
			a->why = "in the device's address table";
		else
			promiscuous = a->why;
	}
	for (uint32_t i = 0; i < want->n; i++)
		if (want->addresses[i].tier == TIER_FLOW_QUEUE)
			program(f, nic, want->addresses[i].mac);
	return promiscuous;
}

/* Rules of addresses that nobody wants; with all, also of those that have another way in by now. */
static void
unsteer(struct nic_filter *f, struct nic *nic, const struct filter_want *want, bool all)
{
	if (f->steer == NULL)
		return;
	for (uint32_t i = 0; i < f->steer->n_rules;) {
		const struct filter_address *a = find(want, f->steer->rules[i].mac);

		if (a == NULL || (all && a->tier != TIER_FLOW_QUEUE))
			nic_steer_del(f->steer, nic, f->steer->rules[i].mac);
		else
			i++;
	}
}

static void
mark_multicast(struct filter_want *want, enum filter_tier tier, const char *why)
{
	for (uint32_t i = 0; i < want->n; i++) {
		struct filter_address *a = &want->addresses[i];

		if ((a->mac & MAC_MULTICAST_BIT) == 0)
			continue;
		a->tier = tier;
		a->why = why;
	}
}

/* Multicast: list, else allmulticast, else *promiscuous gets the reason. */
static void
apply_multicast(struct nic_filter *f, struct nic *nic, struct filter_want *want,
		const char **promiscuous)
{
	const char *no_list = program_multicast(f, nic, want);
	const char *why = no_list;

	if (no_list == NULL)
		mark_multicast(want, TIER_MAC_FILTER, "in the device's multicast list");
	else
		mark_multicast(want, TIER_ALLMULTICAST, no_list);
	if (want->allmulticast)
		why = "a port asks for all multicast";
	if (set_allmulticast(f, nic, why) == 0)
		return;
	if (*promiscuous == NULL)
		*promiscuous = "the device cannot open itself to all multicast otherwise";
	if (no_list != NULL)
		mark_multicast(want, TIER_PROMISCUOUS, no_list);
}

void
nic_filter_apply(struct nic_filter *f, struct nic *nic, struct filter_want *want)
{
	const char *promiscuous;

	/* Room first: a stale address may sit where a new one fits. Those that stay, stay. */
	unprogram_stale(f, nic, want);
	unsteer(f, nic, want, false);
	promiscuous = apply_unicast(f, nic, want);
	if (want->promiscuous)
		promiscuous = "a port is promiscuous or passthru";
	if (promiscuous != NULL)
		set_promiscuous(f, nic, promiscuous); /* open before the multicast list changes */
	unsteer(f, nic, want, true);
	apply_multicast(f, nic, want, &promiscuous);
	set_promiscuous(f, nic, promiscuous);
	free(f->now.addresses);
	f->now = *want;
	memset(want, 0, sizeof(*want));
}

void
nic_filter_forget(struct nic_filter *f)
{
	f->now.n = 0; /* nothing of it passes */
	f->n_programmed = 0;
	f->list_in_force = false;
	f->promiscuous = false;
	f->allmulticast = false;
	if (f->steer != NULL)
		nic_steer_forget(f->steer);
}

void
nic_filter_free(struct nic_filter *f)
{
	free(f->now.addresses);
	free(f->programmed);
	memset(f, 0, sizeof(*f));
}
