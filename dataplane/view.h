/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/settings.h"
#include "dataplane/endpoint.h"
#include "dataplane/portset.h"

/*
 * The immutable picture that workers forward by. The control thread fills a struct view_spec,
 * view_build makes one block of memory of it, dataplane_publish (dataplane/dataplane.h) hands it to
 * the workers with one atomic store and frees the old one after a grace period. Nobody ever writes
 * to a published view, so nothing in it needs a lock.
 *
 * An address belongs to a segment: (uplink, S-channel, VLAN). Today a segment is an uplink, and the
 * key's upper 16 bits are its number.
 */
#define NO_PORT UINT16_MAX

#define MAC_MULTICAST_BIT (UINT64_C(1) << 40) /* group bit in an address as number */
#define MAC_BROADCAST UINT64_C(0xffffffffffff)
#define MAC_ALL_HOSTS_V4 UINT64_C(0x01005e000001)
#define MAC_ALL_HOSTS_V6 UINT64_C(0x333300000001)

struct view_port {
	bool up;                 /* guest attached and its rings run: the port owns its addresses */
	bool own_source_deliver; /* may receive frames with its own source address */
	/* Frames on the port's own NIC queue need no lookup: no private port is about, and the port
	 * has this one unicast address, so who sent them matters only if it was the port itself. */
	bool short_cut;
	uint64_t mac; /* the port's only unicast address; valid with short_cut */
	enum port_mode mode;
	uint16_t segment;
	uint16_t uplink;
	struct endpoint endpoint;
};

/* What an address leads to: a port (unicast), or a set of joined ports (multicast). */
struct view_address {
	uint64_t key; /* segment << 48 | address; 0: free slot (nobody owns the all-zero address) */
	uint32_t value; /* port index, or index into groups */
};

struct view_segment {
	uint64_t uplink_mac;
	uint16_t uplink;
	uint16_t passthru; /* the one port, up or not; NO_PORT: none */
	bool hairpin;
	struct portset up;
	struct portset vepa, bridge; /* up ports by mode */
	struct portset promisc;
	struct portset open_multicast; /* promisc or allmulticast */
};

struct view_uplink {
	bool in_use;
	bool carrier;
	uint16_t segment;
	uint32_t max_frame;   /* bytes, with Ethernet header and one VLAN tag */
	uint32_t flood_share; /* percent of a worker's time for each source of floods */
	struct endpoint endpoint;
};

/* One rx queue that a worker polls. */
struct view_poll {
	bool from_wire;
	uint16_t index; /* of the port or the uplink */
	uint16_t queue;
	/* An uplink's queue into which the NIC steers one port's address and nothing else; NO_PORT:
	 * shared by all, so each frame is looked up. */
	uint16_t owner;
};

/* Every queue that can be polled has a number of its own, for what is kept by queue. */
#define QUEUE_SLOTS (MAX_UPLINKS * MAX_NIC_QUEUES + MAX_PORTS * MAX_QUEUE_PAIRS)

static inline uint16_t
view_queue_slot(bool from_wire, uint16_t index, uint16_t queue)
{
	if (from_wire)
		return (uint16_t)(index * MAX_NIC_QUEUES + queue);
	return (uint16_t)(MAX_UPLINKS * MAX_NIC_QUEUES + index * MAX_QUEUE_PAIRS + queue);
}

static inline uint16_t
view_poll_slot(const struct view_poll *p)
{
	return view_queue_slot(p->from_wire, p->index, p->queue);
}

struct view_worker {
	uint32_t n_polls;
	const struct view_poll *polls;
};

struct view {
	uint64_t generation; /* counts publications */
	uint64_t hash_factor;
	uint32_t hash_shift;
	uint32_t n_slots; /* a power of two, at least twice the addresses */
	uint32_t n_addresses;
	const struct view_address *slots;
	const struct portset *groups;
	struct view_segment segments[MAX_UPLINKS];
	struct view_uplink uplinks[MAX_UPLINKS];
	struct view_port ports[MAX_PORTS];
	struct view_worker workers[MAX_WORKERS];
};

/* One address of one port's receive filter. */
struct view_spec_address {
	uint64_t mac;
	uint16_t port;
};

/* What control asks for. Arrays are borrowed for the call. */
struct view_spec {
	uint64_t generation;
	struct view_uplink uplinks[MAX_UPLINKS];
	uint64_t uplink_macs[MAX_UPLINKS];
	bool hairpin[MAX_UPLINKS];
	struct view_port ports[MAX_PORTS]; /* segment 0..; mode 0: no such port */
	bool promisc[MAX_PORTS];
	bool allmulticast[MAX_PORTS];
	const struct view_spec_address *addresses;
	uint32_t n_addresses;
	struct view_poll *polls; /* grouped by worker */
	uint32_t n_polls[MAX_WORKERS];
};

/*
 * Builds a view. *v is the caller's until published (view_free otherwise). 0; -ENOMEM; -EEXIST: two
 * ports of a segment have the same unicast address (the first keeps it; a bug of the caller).
 * Addresses of ports that are not up are left out: a port without a running guest owns nothing.
 */
int view_build(const struct view_spec *spec, struct view **v);
void view_free(struct view *v);

static inline uint64_t
view_key(uint16_t segment, uint64_t mac)
{
	return (uint64_t)segment << 48 | mac;
}

/*
 * The address's slot, or NULL. A multiplicative hash and linear probing in a half-empty table:
 * built once, never changed, so it needs none of rte_hash's buckets, locks and versions, and the
 * common lookup is one multiplication and one cache line (docs/performance.md has the comparison).
 * The factor is random, so that guests cannot choose addresses that collide.
 */
static inline const struct view_address *
view_lookup(const struct view *v, uint64_t key)
{
	uint32_t mask = v->n_slots - 1;
	uint32_t i = (uint32_t)(key * v->hash_factor >> v->hash_shift);

	for (;; i = (i + 1) & mask) {
		const struct view_address *a = &v->slots[i];

		if (a->key == 0) /* first: the all-zero address of segment 0 has key 0 too */
			return NULL;
		if (a->key == key)
			return a;
	}
}

/* The running port that owns a unicast address of the segment, or NO_PORT. */
static inline uint16_t
view_owner(const struct view *v, uint16_t segment, uint64_t mac)
{
	const struct view_address *a = view_lookup(v, view_key(segment, mac));

	return a != NULL ? (uint16_t)a->value : NO_PORT;
}
