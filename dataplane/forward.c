/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Who gets a frame: the tables of the design's section 2 as pure functions. Called by workers for
 * each frame, and by the control thread for `macvctl trace`; they touch nothing but their
 * arguments.
 */
#include "dataplane/forward.h"

#include <rte_byteorder.h>

#define ETHER_TYPE_MAC_CONTROL 0x8808 /* IEEE 802.3 clause 31: pause and friends */

static inline struct verdict
drop(enum forward_rule rule, enum drop_reason reason)
{
	return (struct verdict){.action = FORWARD_DROP, .reason = reason, .rule = rule};
}

static inline struct verdict
to_port(enum forward_rule rule, uint16_t port)
{
	return (struct verdict){.action = FORWARD_PORT, .rule = rule, .port = port};
}

static inline struct verdict
to_wire(enum forward_rule rule)
{
	return (struct verdict){.action = FORWARD_WIRE, .rule = rule};
}

/* The first six of the eight bytes at p as a number; hdr has them: 6 + 6 + 2. */
static inline uint64_t
load_mac(const void *p)
{
	uint64_t raw;

	__builtin_memcpy(&raw, p, sizeof(raw));
	return rte_be_to_cpu_64(raw) >> 16;
}

/* Up ports of the segment whose filter takes the group address. */
static struct portset
accepting(const struct view *v, uint16_t segment, uint64_t group)
{
	const struct view_segment *s = &v->segments[segment];
	const struct view_address *a;

	if (group == MAC_BROADCAST || group == MAC_ALL_HOSTS_V4 || group == MAC_ALL_HOSTS_V6)
		return s->up;
	a = view_lookup(v, view_key(segment, group));
	if (a == NULL)
		return s->open_multicast;
	return portset_or(&s->open_multicast, &v->groups[a->value]);
}

/* Flood to *set, which is *receivers. An empty set without the wire is a drop. */
static struct verdict
flood(enum forward_rule rule, const struct portset *set, bool wire, enum drop_reason if_nobody,
      struct portset *receivers)
{
	if (portset_empty(set))
		return wire ? to_wire(rule) : drop(rule, if_nobody);
	*receivers = *set;
	return (struct verdict){.action = FORWARD_FLOOD, .rule = rule, .to_wire = wire};
}

/* A unicast frame that reflector's guest sent is back: from the outside switch, or by hairpin. */
static struct verdict
reflected_unicast(const struct view *v, uint16_t reflector, uint16_t owner)
{
	const struct view_port *from = &v->ports[reflector];

	if (owner == reflector && from->own_source_deliver)
		return to_port(RULE_OWN_SOURCE, owner);
	if (from->mode == MODE_PRIVATE)
		return drop(RULE_REFLECTED_PRIVATE, DROP_ISOLATED);
	if (owner == NO_PORT)
		return drop(RULE_REFLECTED_NOBODY, DROP_NO_PORT);
	if (owner == reflector)
		return drop(RULE_REFLECTED_SELF, DROP_OWN_REFLECTION);
	if (v->ports[owner].mode == MODE_PRIVATE)
		return drop(RULE_REFLECTED_PRIVATE, DROP_ISOLATED);
	return to_port(RULE_REFLECTED_OWNER, owner);
}

/* The same for broadcast and multicast; wire: by hairpin, so it goes out as well. */
static struct verdict
reflected_multicast(const struct view *v, uint16_t reflector, uint64_t group, bool wire,
		    struct portset *receivers)
{
	const struct view_port *from = &v->ports[reflector];
	const struct view_segment *s = &v->segments[from->segment];
	struct portset accept = accepting(v, from->segment, group);
	bool self = portset_has(&accept, reflector);
	enum forward_rule rule = RULE_REFLECTED_VEPA_FLOOD;
	struct portset modes = portset_or(&s->vepa, &s->bridge);
	struct portset set;

	if (from->mode == MODE_PRIVATE) {
		if (!self || !from->own_source_deliver)
			return drop(RULE_REFLECTED_PRIVATE, DROP_ISOLATED);
		return to_port(RULE_OWN_SOURCE, reflector);
	}
	if (from->mode == MODE_BRIDGE) {
		rule = RULE_REFLECTED_BRIDGE_FLOOD;
		modes = s->vepa;
	}
	set = portset_and(&accept, &modes);
	portset_del(&set, reflector);
	if (self && from->own_source_deliver)
		portset_add(&set, reflector);
	return flood(rule, &set, wire, self ? DROP_OWN_REFLECTION : DROP_NO_PORT, receivers);
}

static struct verdict
vepa_hairpin(const struct view *v, uint16_t port, uint64_t dst, struct portset *receivers)
{
	const struct view_port *from = &v->ports[port];
	uint16_t owner;
	struct verdict verdict;

	if (dst & MAC_MULTICAST_BIT) {
		verdict = reflected_multicast(v, port, dst, true, receivers);
		verdict.rule = RULE_HAIRPIN;
		return verdict;
	}
	owner = view_owner(v, from->segment, dst);
	if (owner == port)
		return to_wire(RULE_TO_SELF);
	if (owner == NO_PORT)
		return to_wire(RULE_WIRE_ONLY);
	verdict = reflected_unicast(v, port, owner);
	if (verdict.action == FORWARD_PORT)
		verdict.rule = RULE_HAIRPIN;
	return verdict;
}

static struct verdict
from_bridge(const struct view *v, uint16_t port, uint64_t dst, struct portset *receivers)
{
	uint16_t segment = v->ports[port].segment;
	const struct view_segment *s = &v->segments[segment];
	struct portset set;
	uint16_t owner;

	if (dst & MAC_MULTICAST_BIT) {
		set = accepting(v, segment, dst);
		set = portset_and(&set, &s->bridge);
		portset_del(&set, port);
		return flood(RULE_BRIDGE_FLOOD, &set, true, DROP_NO_PORT, receivers);
	}
	if (dst == s->uplink_mac)
		return to_wire(RULE_TO_UPLINK);
	owner = view_owner(v, segment, dst);
	if (owner == port)
		return to_wire(RULE_TO_SELF);
	if (owner == NO_PORT || v->ports[owner].mode != MODE_BRIDGE)
		return to_wire(RULE_BRIDGE_WIRE);
	return to_port(RULE_BRIDGE_LOCAL, owner);
}

struct verdict
forward_from_guest(const struct view *v, uint16_t port, const struct rte_ether_hdr *hdr,
		   struct portset *receivers)
{
	const struct view_port *from = &v->ports[port];
	uint64_t dst = load_mac(&hdr->dst_addr);

	if (hdr->ether_type == RTE_BE16(ETHER_TYPE_MAC_CONTROL))
		return drop(RULE_MAC_CONTROL, DROP_MAC_CONTROL);
	if (from->mode == MODE_BRIDGE)
		return from_bridge(v, port, dst, receivers);
	if (from->mode == MODE_VEPA && v->segments[from->segment].hairpin)
		return vepa_hairpin(v, port, dst, receivers);
	return to_wire(RULE_WIRE_ONLY);
}

static struct verdict
wire_to_passthru(const struct view *v, uint16_t port, uint64_t src)
{
	const struct view_port *to = &v->ports[port];

	if (!to->up)
		return drop(RULE_PASSTHRU, DROP_NO_PORT);
	if ((src & MAC_MULTICAST_BIT) == 0 && view_owner(v, to->segment, src) == port) {
		if (!to->own_source_deliver)
			return drop(RULE_REFLECTED_SELF, DROP_OWN_REFLECTION);
		return to_port(RULE_OWN_SOURCE, port);
	}
	return to_port(RULE_PASSTHRU, port);
}

static struct verdict
external_unicast(const struct view *v, uint16_t segment, uint64_t dst, struct portset *receivers)
{
	const struct view_segment *s = &v->segments[segment];
	uint16_t owner = view_owner(v, segment, dst);

	if (owner != NO_PORT)
		return to_port(RULE_OWNER, owner);
	if (dst == s->uplink_mac)
		return drop(RULE_UPLINK_MAC, DROP_NO_PORT);
	if (portset_empty(&s->promisc))
		return drop(RULE_NOBODY, DROP_NO_PORT);
	return flood(RULE_PROMISC, &s->promisc, false, DROP_NO_PORT, receivers);
}

struct verdict
forward_from_wire(const struct view *v, uint16_t uplink, const struct rte_ether_hdr *hdr,
		  struct portset *receivers)
{
	uint16_t segment = v->uplinks[uplink].segment;
	const struct view_segment *s = &v->segments[segment];
	uint64_t dst = load_mac(&hdr->dst_addr);
	uint64_t src = load_mac(&hdr->src_addr);
	uint16_t reflector;
	struct portset set;

	if (hdr->ether_type == RTE_BE16(ETHER_TYPE_MAC_CONTROL))
		return drop(RULE_MAC_CONTROL, DROP_MAC_CONTROL);
	if (s->passthru != NO_PORT)
		return wire_to_passthru(v, s->passthru, src);
	reflector = src & MAC_MULTICAST_BIT ? NO_PORT : view_owner(v, segment, src);
	if (reflector == NO_PORT) {
		if ((dst & MAC_MULTICAST_BIT) == 0)
			return external_unicast(v, segment, dst, receivers);
		set = accepting(v, segment, dst);
		return flood(RULE_FLOOD, &set, false, DROP_NO_PORT, receivers);
	}
	if (dst & MAC_MULTICAST_BIT)
		return reflected_multicast(v, reflector, dst, false, receivers);
	return reflected_unicast(v, reflector, view_owner(v, segment, dst));
}

struct verdict
forward_from_own_queue(const struct view *v, uint16_t port, const struct rte_ether_hdr *hdr,
		       struct portset *receivers)
{
	const struct view_port *to = &v->ports[port];

	if (unlikely(!to->short_cut))
		return forward_from_wire(v, to->uplink, hdr, receivers);
	if (unlikely(hdr->ether_type == RTE_BE16(ETHER_TYPE_MAC_CONTROL)))
		return drop(RULE_MAC_CONTROL, DROP_MAC_CONTROL);
	if (unlikely(load_mac(&hdr->src_addr) == to->mac)) {
		if (!to->own_source_deliver)
			return drop(RULE_REFLECTED_SELF, DROP_OWN_REFLECTION);
		return to_port(RULE_OWN_SOURCE, port);
	}
	return to_port(RULE_OWN_QUEUE, port);
}
