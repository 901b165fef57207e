/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/errmsg.h"
#include "config/settings.h"

/*
 * A guest's receive filter as QEMU tells it (QMP's RxFilterInfo), as plain data. Says what the
 * guest asked for, not what it gets: trust, ownership and limits are the port's matter.
 *
 * Thread-safety: the functions touch only their arguments.
 */

/* QEMU has 64 slots for unicast and multicast together. More in one table is no answer of QEMU's.
 */
#define GUEST_FILTER_ADDRESSES 64
#define GUEST_FILTER_VLANS 4096

struct guest_filter {
	struct mac_addr main; /* unicast, not zero */
	bool promisc;
	bool all_unicast;   /* mode "all", or more addresses than QEMU can hold */
	bool all_multicast; /* likewise */
	bool no_unicast;    /* mode "none": a guest that wants none, whatever the table has */
	bool no_multicast;
	bool vlan_all; /* every VLAN; vlans is then empty, as the list says nothing */
	uint32_t n_unicast, n_multicast;
	/* Sorted by their bytes, each once: QEMU's order means nothing. Unused entries are zero. */
	struct mac_addr unicast[GUEST_FILTER_ADDRESSES];
	struct mac_addr multicast[GUEST_FILTER_ADDRESSES];
	uint64_t vlans[GUEST_FILTER_VLANS / 64]; /* VLAN v is bit v % 64 of word v / 64 */
};

/*
 * Reads the value of query-rx-filter's "return": the element whose name is the given one, or the
 * only element, whatever its name (a NIC without an id answers under a name of QEMU's making).
 * 0; -EINVAL: not such an answer, or one that says the impossible: *e names the member, and *filter
 * is unchanged; -ENOENT: several elements, none of that name. Members that are not known here are
 * ignored.
 */
int guest_filter_parse(const json_t *value, const char *name, struct guest_filter *filter,
		       struct errmsg *e);

/* Do both ask for the same? */
bool guest_filter_equal(const struct guest_filter *a, const struct guest_filter *b);

static inline bool
guest_filter_has_vlan(const struct guest_filter *f, uint16_t vlan)
{
	return f->vlan_all || (f->vlans[vlan / 64 % (GUEST_FILTER_VLANS / 64)] >> vlan % 64 & 1);
}
