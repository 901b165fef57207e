/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Who gets a frame: the rare half of the rules, that is multicast, reflection, and addresses that
 * nobody owns. Called from the inline half in forward.h, by workers and by the control thread for
 * `macvctl trace`; pure: nothing but the arguments is touched.
 */
#include "dataplane/forward.h"

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
		return wire ? verdict_wire(rule) : verdict_drop(rule, if_nobody);
	*receivers = *set;
	return (struct verdict){.action = FORWARD_FLOOD, .rule = (uint8_t)rule, .to_wire = wire};
}

/* A unicast frame that reflector's guest sent is back: from the outside switch, or by hairpin. */
static struct verdict
reflected_unicast(const struct view *v, uint16_t reflector, uint16_t owner)
{
	const struct view_port *from = &v->ports[reflector];

	if (owner == reflector && from->own_source_deliver)
		return verdict_port(RULE_OWN_SOURCE, owner);
	if (from->mode == MODE_PRIVATE)
		return verdict_drop(RULE_REFLECTED_PRIVATE, DROP_ISOLATED);
	if (owner == NO_PORT)
		return verdict_drop(RULE_REFLECTED_NOBODY, DROP_NO_PORT);
	if (owner == reflector)
		return verdict_drop(RULE_REFLECTED_SELF, DROP_OWN_REFLECTION);
	if (v->ports[owner].mode == MODE_PRIVATE)
		return verdict_drop(RULE_REFLECTED_PRIVATE, DROP_ISOLATED);
	return verdict_port(RULE_REFLECTED_OWNER, owner);
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
			return verdict_drop(RULE_REFLECTED_PRIVATE, DROP_ISOLATED);
		return verdict_port(RULE_OWN_SOURCE, reflector);
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
to_passthru(const struct view *v, uint16_t port, uint64_t src)
{
	const struct view_port *to = &v->ports[port];

	if (!to->up)
		return verdict_drop(RULE_PASSTHRU, DROP_NO_PORT);
	if ((src & MAC_MULTICAST_BIT) == 0 && view_owner(v, to->segment, src) == port) {
		if (!to->own_source_deliver)
			return verdict_drop(RULE_REFLECTED_SELF, DROP_OWN_REFLECTION);
		return verdict_port(RULE_OWN_SOURCE, port);
	}
	return verdict_port(RULE_PASSTHRU, port);
}

/* From the wire: MAC control, to a passthru port, or reflected. */
struct verdict
forward_special(const struct view *v, uint16_t segment, const struct rte_ether_hdr *hdr,
		struct portset *receivers)
{
	uint16_t passthru = v->segments[segment].passthru;
	uint64_t dst = forward_load_mac(&hdr->dst_addr);
	uint64_t src = forward_load_mac(&hdr->src_addr);
	uint16_t reflector;

	if (hdr->ether_type == RTE_BE16(ETHER_TYPE_MAC_CONTROL))
		return verdict_drop(RULE_MAC_CONTROL, DROP_MAC_CONTROL);
	if (passthru != NO_PORT)
		return to_passthru(v, passthru, src);
	reflector = view_owner(v, segment, src);
	if (dst & MAC_MULTICAST_BIT)
		return reflected_multicast(v, reflector, dst, false, receivers);
	return reflected_unicast(v, reflector, view_owner(v, segment, dst));
}

struct verdict
forward_vepa_hairpin(const struct view *v, uint16_t port, uint64_t dst, struct portset *receivers)
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
		return verdict_wire(RULE_TO_SELF);
	if (owner == NO_PORT)
		return verdict_wire(RULE_WIRE_ONLY);
	verdict = reflected_unicast(v, port, owner);
	if (verdict.action == FORWARD_PORT)
		verdict.rule = RULE_HAIRPIN;
	return verdict;
}

struct verdict
forward_bridge_multicast(const struct view *v, uint16_t port, uint64_t group,
			 struct portset *receivers)
{
	uint16_t segment = v->ports[port].segment;
	struct portset set = accepting(v, segment, group);

	set = portset_and(&set, &v->segments[segment].bridge);
	portset_del(&set, port);
	return flood(RULE_BRIDGE_FLOOD, &set, true, DROP_NO_PORT, receivers);
}

struct verdict
forward_external_multicast(const struct view *v, uint16_t segment, uint64_t group,
			   struct portset *receivers)
{
	struct portset set = accepting(v, segment, group);

	return flood(RULE_FLOOD, &set, false, DROP_NO_PORT, receivers);
}

struct verdict
forward_unowned(const struct view *v, uint16_t segment, uint64_t dst, struct portset *receivers)
{
	const struct view_segment *s = &v->segments[segment];

	if (dst == s->uplink_mac)
		return verdict_drop(RULE_UPLINK_MAC, DROP_NO_PORT);
	if (portset_empty(&s->promisc))
		return verdict_drop(RULE_NOBODY, DROP_NO_PORT);
	return flood(RULE_PROMISC, &s->promisc, false, DROP_NO_PORT, receivers);
}
