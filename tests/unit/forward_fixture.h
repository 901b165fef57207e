/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/forward.h"

/*
 * Rows of the forwarding truth table and what runs them, for test_forward*.c. A row is one cell:
 * where the frame comes from, its addresses by name, and who must have it in the end.
 *
 * origin  the name of a port, or "wire" (uplink 0), "wire1", "wire2".
 * src     an address name; "" (frames from a guest only): all sorts of addresses, one by one,
 *         because a guest's source address plays no part.
 * dst     address names, blank separated: all of them must have the same result.
 * want    receivers in the order of the topology, then "wire"; or "drop REASON".
 * type    EtherType; 0: all sorts of them, VLAN tags included, because they play no part.
 *
 * Address names: of a port (its MAC), with a "+" (its second one); "uplink"; "GJ" and the other
 * groups below; else hexadecimal digits.
 */
#define TYPE_MAC_CONTROL 0x8808

struct topo_port {
	const char *name;
	enum port_mode mode;
	uint64_t mac, second; /* second: 0: none */
	uint64_t groups[2];   /* further addresses of its filter */
	uint16_t uplink;
	bool promisc, allmulticast, deliver, down, ethdev;
};

struct topology {
	const struct topo_port *ports;
	uint32_t n_ports;
	bool hairpin[3];
};

struct row {
	const char *origin, *src, *dst, *want;
	const char *sentence;
	uint16_t type;
	int line;
};

#define ROW(origin, src, dst, want, sentence)                 \
	{                                                     \
		origin, src, dst, want, sentence, 0, __LINE__ \
	}
#define ROW_TYPE(type, origin, src, dst, want, sentence)         \
	{                                                        \
		origin, src, dst, want, sentence, type, __LINE__ \
	}

#define UPLINK_MAC UINT64_C(0x020000000099)
#define GROUP_JOINED UINT64_C(0x01005e010101)
#define GROUP_OF_ONE UINT64_C(0x01005e030303)
#define LLDP UINT64_C(0x0180c200000e)

static const struct {
	const char *name;
	uint64_t mac;
} named_addresses[] = {
	{"uplink", UPLINK_MAC},
	{"unknown", UINT64_C(0x0200000000ee)},
	{"zero", 0},
	{"ext", UINT64_C(0x0255aa000001)},
	{"bcast", MAC_BROADCAST},
	{"hosts4", MAC_ALL_HOSTS_V4},
	{"hosts6", MAC_ALL_HOSTS_V6},
	{"GJ", GROUP_JOINED},
	{"G1", GROUP_OF_ONE},
	{"GU", UINT64_C(0x01005e020202)},
	{"solicited", 0x3333ff0000aa},
	{"lldp", LLDP},
	{"stp", 0x0180c2000000},
	{"pause", 0x0180c2000001},
	{"groupsrc", 0x039900000001}, /* a group address, as a source */
};

static uint64_t
address(const struct topology *t, const char *name)
{
	size_t len = strlen(name);
	bool second = len > 1 && name[len - 1] == '+';

	for (size_t i = 0; i < sizeof(named_addresses) / sizeof(named_addresses[0]); i++)
		if (strcmp(named_addresses[i].name, name) == 0)
			return named_addresses[i].mac;
	for (uint32_t i = 0; i < t->n_ports; i++) {
		const struct topo_port *p = &t->ports[i];

		if (strncmp(p->name, name, len - second) == 0 && strlen(p->name) == len - second)
			return second ? p->second : p->mac;
	}
	return strtoull(name, NULL, 16);
}

static struct view *
make_view(const struct topology *t)
{
	static struct view_spec_address addresses[MAX_PORTS * 4];
	struct view_spec *spec = calloc(1, sizeof(*spec));
	struct view *v = NULL;

	assert_non_null(spec);
	for (uint16_t u = 0; u < 3; u++) {
		spec->uplinks[u] = (struct view_uplink){.in_use = true, .segment = u};
		spec->uplink_macs[u] = UPLINK_MAC;
		spec->hairpin[u] = t->hairpin[u];
	}
	spec->addresses = addresses;
	for (uint16_t i = 0; i < t->n_ports; i++) {
		const struct topo_port *p = &t->ports[i];
		const uint64_t macs[] = {p->mac, p->second, p->groups[0], p->groups[1]};

		spec->ports[i] = (struct view_port){
			.up = !p->down,
			.own_source_deliver = p->deliver,
			.mode = p->mode,
			.segment = p->uplink,
			.uplink = p->uplink,
			.endpoint.kind = p->ethdev ? ENDPOINT_ETHDEV : ENDPOINT_VHOST,
		};
		spec->promisc[i] = p->promisc;
		spec->allmulticast[i] = p->allmulticast;
		for (int m = 0; m < 4; m++)
			if (macs[m] != 0)
				addresses[spec->n_addresses++] =
					(struct view_spec_address){.mac = macs[m], .port = i};
	}
	assert_int_equal(view_build(spec, &v), 0);
	free(spec);
	return v;
}

static void
put_mac(struct rte_ether_addr *to, uint64_t mac)
{
	for (int i = 0; i < RTE_ETHER_ADDR_LEN; i++)
		to->addr_bytes[i] = (uint8_t)(mac >> (8 * (5 - i)));
}

static void
append(char *buf, size_t size, const char *word)
{
	size_t len = strlen(buf);

	snprintf(buf + len, size - len, "%s%s", len > 0 ? " " : "", word);
}

/* What happened, in the words of a row's want. */
static void
describe(const struct topology *t, const struct verdict *verdict, struct portset receivers,
	 char *buf, size_t size)
{
	buf[0] = '\0';
	if (verdict->action == FORWARD_DROP) {
		append(buf, size, "drop");
		append(buf, size, drop_reason_name(verdict->reason));
		return;
	}
	if (verdict->action == FORWARD_PORT)
		append(buf, size, t->ports[verdict->port].name);
	while (verdict->action == FORWARD_FLOOD && !portset_empty(&receivers))
		append(buf, size, t->ports[portset_take(&receivers)].name);
	if (verdict->action == FORWARD_WIRE || verdict->to_wire)
		append(buf, size, "wire");
}

static struct verdict
decide(const struct topology *t, const struct view *v, const char *origin,
       const struct rte_ether_hdr *hdr, struct portset *receivers)
{
	if (strncmp(origin, "wire", 4) == 0)
		return forward_from_wire(v, (uint16_t)strtoul(origin + 4, NULL, 10), hdr,
					 receivers);
	for (uint16_t i = 0; i < t->n_ports; i++)
		if (strcmp(t->ports[i].name, origin) == 0)
			return forward_from_guest(v, i, hdr, receivers);
	fail_msg("no such origin: %s", origin);
	abort();
}

/* One frame; false: the difference is printed. */
static bool
check_frame(const struct topology *t, const struct view *v, const struct row *row, const char *src,
	    const char *dst, uint16_t type)
{
	struct rte_ether_hdr hdr = {.ether_type = rte_cpu_to_be_16(type)};
	struct portset receivers;
	struct verdict verdict;
	char got[256];

	memset(&receivers, 0xa5, sizeof(receivers)); /* must not be read unless written */
	put_mac(&hdr.src_addr, address(t, src));
	put_mac(&hdr.dst_addr, address(t, dst));
	verdict = decide(t, v, row->origin, &hdr, &receivers);
	describe(t, &verdict, receivers, got, sizeof(got));
	if (verdict.rule < FORWARD_RULE_COUNT && strcmp(got, row->want) == 0)
		return true;
	print_error("row in line %d: from %s, src %s, dst %s, type %04x:\n"
		    "  want: %s\n  got:  %s (by the rule: %s)\n  design: %s\n",
		    row->line, row->origin, src, dst, type, row->want, got,
		    forward_rule_text(verdict.rule), row->sentence);
	return false;
}

/* Up to the row's first difference. */
static bool
check_row(const struct topology *t, const struct view *v, const struct row *row)
{
	static const uint16_t all_types[] = {0x0800, 0x0806, 0x86dd, 0x88b5, 0x8100, 0x88a8,
					     0x88cc, 0x8809, 0x05dc, 0x0888, 0x0000};
	static const char *const all_sources[] = {"ext", "uplink", "v0",    "b0",      "b1",
						  "p0",  "g0",     "bcast", "groupsrc"};
	bool any_type = row->type == 0, any_source = row->src[0] == '\0';
	size_t n_types = any_type ? sizeof(all_types) / sizeof(all_types[0]) : 1;
	size_t n_sources = any_source ? sizeof(all_sources) / sizeof(all_sources[0]) : 1;
	char list[128], *left = list, *dst;

	snprintf(list, sizeof(list), "%s", row->dst);
	while ((dst = strsep(&left, " ")) != NULL)
		for (size_t n = 0; n < n_sources * n_types; n++)
			if (!check_frame(t, v, row,
					 any_source ? all_sources[n / n_types] : row->src, dst,
					 any_type ? all_types[n % n_types] : row->type))
				return false;
	return true;
}

static void
check_rows(const struct topology *t, const struct row *rows, size_t n)
{
	struct view *v = make_view(t);
	unsigned int bad = 0;

	for (size_t i = 0; i < n; i++)
		bad += !check_row(t, v, &rows[i]);
	view_free(v);
	assert_int_equal(bad, 0);
}

#define CHECK(topology, rows) check_rows(topology, rows, sizeof(rows) / sizeof((rows)[0]))
