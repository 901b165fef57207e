/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <rte_byteorder.h>
#include <rte_ether.h>

#include "dataplane/reasons.h"
#include "dataplane/view.h"

/*
 * The forwarding rules: pure functions of a view, where the frame came from, and its Ethernet
 * header. The workers, `macvctl trace` and the tests all call these. The rules are the ones of the
 * kernel's macvlan (macvlan_queue_xmit, macvlan_handle_frame, macvlan_multicast_rx in
 * drivers/net/macvlan.c) with the differences that docs/forwarding.md lists.
 *
 * What most frames need is inline here, so that a worker keeps a verdict in registers; what is rare
 * (multicast, reflection) is in forward.c.
 */
enum forward_action {
	FORWARD_DROP,  /* .reason says why */
	FORWARD_PORT,  /* to .port alone */
	FORWARD_WIRE,  /* to the wire alone */
	FORWARD_FLOOD, /* to every port of *receivers, and if .to_wire to the wire too */
};

struct verdict {
	uint8_t action; /* enum forward_action */
	uint8_t reason; /* enum drop_reason, where action is FORWARD_DROP */
	uint8_t rule;   /* enum forward_rule: which rule decided */
	bool to_wire;
	uint16_t port;
};

#define ETHER_TYPE_MAC_CONTROL 0x8808 /* IEEE 802.3 clause 31: pause and friends */

static __rte_always_inline struct verdict
verdict_drop(enum forward_rule rule, enum drop_reason reason)
{
	return (struct verdict){
		.action = FORWARD_DROP, .reason = (uint8_t)reason, .rule = (uint8_t)rule};
}

static __rte_always_inline struct verdict
verdict_port(enum forward_rule rule, uint16_t port)
{
	return (struct verdict){.action = FORWARD_PORT, .rule = (uint8_t)rule, .port = port};
}

static __rte_always_inline struct verdict
verdict_wire(enum forward_rule rule)
{
	return (struct verdict){.action = FORWARD_WIRE, .rule = (uint8_t)rule};
}

/* The first six of the eight bytes at p as a number; a header has them: 6 + 6 + 2. */
static __rte_always_inline uint64_t
forward_load_mac(const void *p)
{
	uint64_t raw;

	__builtin_memcpy(&raw, p, sizeof(raw));
	return rte_be_to_cpu_64(raw) >> 16;
}

/*
 * The rare half, in forward.c. group, dst: addresses as numbers; *receivers is written only for
 * FORWARD_FLOOD.
 */
struct verdict forward_bridge_multicast(const struct view *v, uint16_t port, uint64_t group,
					struct portset *receivers);
struct verdict forward_vepa_hairpin(const struct view *v, uint16_t port, uint64_t dst,
				    struct portset *receivers);
struct verdict forward_external_multicast(const struct view *v, uint16_t segment, uint64_t group,
					  struct portset *receivers);
struct verdict forward_unowned(const struct view *v, uint16_t segment, uint64_t dst,
			       struct portset *receivers);
struct verdict forward_special(const struct view *v, uint16_t segment,
			       const struct rte_ether_hdr *hdr, struct portset *receivers);

static __rte_always_inline struct verdict
forward_from_bridge(const struct view *v, uint16_t port, uint64_t dst, struct portset *receivers)
{
	uint16_t segment = v->ports[port].segment;
	uint16_t owner;

	if (unlikely(dst & MAC_MULTICAST_BIT))
		return forward_bridge_multicast(v, port, dst, receivers);
	if (unlikely(dst == v->segments[segment].uplink_mac))
		return verdict_wire(RULE_TO_UPLINK);
	owner = view_owner(v, segment, dst);
	if (unlikely(owner == port))
		return verdict_wire(RULE_TO_SELF);
	if (owner == NO_PORT || v->ports[owner].mode != MODE_BRIDGE)
		return verdict_wire(RULE_BRIDGE_WIRE);
	return verdict_port(RULE_BRIDGE_LOCAL, owner);
}

/*
 * What happens to a frame that port (up) sent. hdr: at least the 14 bytes of an Ethernet header.
 * *receivers is written only for FORWARD_FLOOD.
 */
static __rte_always_inline struct verdict
forward_from_guest(const struct view *v, uint16_t port, const struct rte_ether_hdr *hdr,
		   struct portset *receivers)
{
	const struct view_port *from = &v->ports[port];
	uint64_t dst = forward_load_mac(&hdr->dst_addr);

	if (unlikely(hdr->ether_type == RTE_BE16(ETHER_TYPE_MAC_CONTROL)))
		return verdict_drop(RULE_MAC_CONTROL, DROP_MAC_CONTROL);
	if (from->mode == MODE_BRIDGE)
		return forward_from_bridge(v, port, dst, receivers);
	if (from->mode == MODE_VEPA && v->segments[from->segment].hairpin)
		return forward_vepa_hairpin(v, port, dst, receivers);
	return verdict_wire(RULE_WIRE_ONLY);
}

/*
 * Does the frame come from outside as far as its source tells, and is it subject to the common
 * rules? Then its destination alone decides (forward_external), else forward_special does.
 */
static __rte_always_inline bool
forward_is_external(const struct view *v, uint16_t segment, const struct rte_ether_hdr *hdr)
{
	uint64_t src = forward_load_mac(&hdr->src_addr);

	return hdr->ether_type != RTE_BE16(ETHER_TYPE_MAC_CONTROL) &&
	       v->segments[segment].passthru == NO_PORT &&
	       (src & MAC_MULTICAST_BIT || view_owner(v, segment, src) == NO_PORT);
}

static __rte_always_inline struct verdict
forward_external(const struct view *v, uint16_t segment, const struct rte_ether_hdr *hdr,
		 struct portset *receivers)
{
	uint64_t dst = forward_load_mac(&hdr->dst_addr);
	uint16_t owner;

	if (unlikely(dst & MAC_MULTICAST_BIT))
		return forward_external_multicast(v, segment, dst, receivers);
	owner = view_owner(v, segment, dst);
	if (unlikely(owner == NO_PORT))
		return forward_unowned(v, segment, dst, receivers);
	return verdict_port(RULE_OWNER, owner);
}

/* What happens to a frame that came in through uplink. */
static __rte_always_inline struct verdict
forward_from_wire(const struct view *v, uint16_t uplink, const struct rte_ether_hdr *hdr,
		  struct portset *receivers)
{
	uint16_t segment = v->uplinks[uplink].segment;

	if (likely(forward_is_external(v, segment, hdr)))
		return forward_external(v, segment, hdr, receivers);
	return forward_special(v, segment, hdr, receivers);
}

/*
 * What happens to a frame on port's own NIC queue, where the NIC's rule is exact on the
 * destination: the same as forward_from_wire says, without a lookup where the view allows that
 * (short_cut).
 */
static __rte_always_inline struct verdict
forward_from_own_queue(const struct view *v, uint16_t port, const struct rte_ether_hdr *hdr,
		       struct portset *receivers)
{
	const struct view_port *to = &v->ports[port];

	if (unlikely(!to->short_cut))
		return forward_from_wire(v, to->uplink, hdr, receivers);
	if (unlikely(hdr->ether_type == RTE_BE16(ETHER_TYPE_MAC_CONTROL)))
		return verdict_drop(RULE_MAC_CONTROL, DROP_MAC_CONTROL);
	if (unlikely(forward_load_mac(&hdr->src_addr) == to->mac)) {
		if (!to->own_source_deliver)
			return verdict_drop(RULE_REFLECTED_SELF, DROP_OWN_REFLECTION);
		return verdict_port(RULE_OWN_SOURCE, port);
	}
	return verdict_port(RULE_OWN_QUEUE, port);
}
