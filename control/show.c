/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * What `show` prints: ports, uplinks and addresses as JSON. Called by commands.c on the
 * control thread; reads the daemon's context and the workers' counters, changes nothing.
 */
#include "control/show.h"

#include <bsd/string.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>

#include "config/keys.h"
#include "control/nic_bond.h"
#include "control/offloads.h"
#include "control/poll_plan.h"

static json_t *
json_mac(uint64_t mac)
{
	struct mac_addr a;
	char text[MAC_TEXT_SIZE];

	mac_bytes_from_u64(mac, a.b);
	return json_string(mac_format(&a, text));
}

static json_t *
json_on_off(bool on)
{
	return json_string(on ? "on" : "off");
}

/* Members that are a section's keys, as the configuration file has them. */
static void
add_keys(json_t *object, enum section section, const void *settings)
{
	char *value = malloc(TEXT_SIZE * 2);

	for (const struct key *k = section_keys(section); value != NULL && k->name != NULL; k++)
		if (key_get(k, settings, value, TEXT_SIZE * 2) && strcmp(k->name, "maddr") != 0)
			json_object_set_new(object, k->name, json_string(value));
	free(value);
}

static json_t *
json_drops(const struct counters *c)
{
	json_t *drops = json_object();

	for (int r = 0; r < DROP_REASON_COUNT; r++)
		json_object_set_new(drops, drop_reason_name((enum drop_reason)r),
				    json_integer((json_int_t)c->drops[r]));
	return drops;
}

/* peer: "guest" or "wire"; the words say from where and to where, never rx or tx. */
static json_t *
json_counters(const struct counters *c, const char *peer)
{
	const struct {
		const char *direction, *unit;
		uint64_t value;
	} members[] = {{"from", "packets", c->from_packets},
		       {"from", "bytes", c->from_bytes},
		       {"to", "packets", c->to_packets},
		       {"to", "bytes", c->to_bytes}};
	json_t *object = json_object();
	char name[32];

	for (size_t i = 0; i < RTE_DIM(members); i++) {
		snprintf(name, sizeof(name), "%s_%s_%s", members[i].direction, peer,
			 members[i].unit);
		json_object_set_new(object, name, json_integer((json_int_t)members[i].value));
	}
	json_object_set_new(object, "copies", json_integer((json_int_t)c->copies));
	json_object_set_new(object, "drops", json_drops(c));
	return object;
}

static const char *
source_name(enum filter_source source)
{
	return source == FILTER_GUEST ? "guest" : "config";
}

static json_t *
json_entries(const struct filter_entry *entries, uint32_t n)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(array, json_pack("{s:o, s:s}", "address",
						       json_mac(mac_to_u64(&entries[i].mac)),
						       "source", source_name(entries[i].source)));
	return array;
}

static json_t *
json_filter(const struct rx_filter *f)
{
	return json_pack("{s:b, s:b, s:b, s:o, s:o}", "promisc", f->promisc, "allmulticast",
			 f->allmulticast, "broadcast", 1, "unicast",
			 json_entries(f->unicast, f->n_unicast), "multicast",
			 json_entries(f->multicast, f->n_multicast));
}

/* Shown, not enforced: a port takes every tag. */
static json_t *
json_vlans(const struct guest_filter *g)
{
	json_t *vlans;

	if (g->vlan_all)
		return json_string("all");
	vlans = json_array();
	for (uint16_t v = 0; v < GUEST_FILTER_VLANS; v++)
		if (guest_filter_has_vlan(g, v))
			json_array_append_new(vlans, json_integer(v));
	return vlans;
}

static json_t *
json_sync(const struct port *p)
{
	struct qmp_device_info info = {.reason = "", .last_error = ""};
	const char *error = p->sync.refusal;
	json_t *o;

	if (p->sync.device != NULL)
		qmp_device_get_info(p->sync.device, &info);
	if (error[0] == '\0')
		error = info.last_error;
	o = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:o}", "state",
		      qmp_device_state_name(info.state), "device", p->settings.qmp_device, "events",
		      (json_int_t)info.events, "queries", (json_int_t)info.queries, "failures",
		      (json_int_t)info.failures, "refused", (json_int_t)p->sync.refused,
		      "last_error", error[0] != '\0' ? json_string(error) : json_null());
	if (o != NULL && info.reason[0] != '\0')
		json_object_set_new(o, "reason", json_string(info.reason));
	if (o != NULL && p->sync.have)
		json_object_set_new(o, "vlans", json_vlans(&p->sync.wanted));
	return o;
}

static json_t *
json_guest(const struct port *p)
{
	struct guest_facts facts;
	json_t *o;

	if (!p->guest.running)
		return json_null();
	vhost_facts(p->guest.vid, &facts);
	o = json_pack("{s:i, s:s, s:b, s:I, s:i, s:o}", "queue_pairs", p->pairs, "ring",
		      facts.features >> VIRTIO_F_RING_PACKED & 1 ? "packed" : "split",
		      "mergeable_buffers", (int)(facts.features >> VIRTIO_NET_F_MRG_RXBUF & 1),
		      "features", (json_int_t)facts.features, "numa_node", facts.numa_node,
		      "offloads", offloads_json_guest(facts.features));
	if (o != NULL && p->far)
		json_object_set_new(
			o, "note",
			json_sprintf("the guest's memory is on another NUMA node than its "
				     "worker, which is on %d",
				     p->worker_node));
	return o;
}

static json_t *
json_notes(const struct nic *nic)
{
	json_t *notes = json_array();

	for (uint32_t i = 0; i < nic->n_notes; i++)
		json_array_append_new(notes, json_string(nic->notes[i]));
	return notes;
}

/* Where a device has too few queues for the workers that there are now. */
static json_t *
json_uplink_notes(const struct daemon *d, const struct uplink *u)
{
	json_t *notes = json_notes(&u->nic);
	struct serving s;

	uplink_serving(d, u, &s);
	if (s.n < d->workers.n)
		json_array_append_new(notes,
				      json_sprintf("%u of the %u workers serve it: so many "
						   "transmit queues have the uplink's device and "
						   "those of its ports",
						   s.n, d->workers.n));
	if (u->settings.queues == 0 && u->nic.shared_queues < s.n)
		json_array_append_new(notes,
				      json_sprintf("%u receive queues for %u workers: added when "
						   "there were fewer workers, or the device has no "
						   "more",
						   u->nic.shared_queues, s.n));
	return notes;
}

json_t *
show_port(const struct daemon *d, const struct port *p)
{
	static const char *const states[] = {
		[PORT_CONFIGURED] = "configured",
		[PORT_CONNECTED] = "connected",
		[PORT_READY] = "ready",
		[PORT_DRAINING] = "draining",
	};
	const struct port_settings *s = &p->settings;
	struct counters counters;
	json_t *o = json_pack("{s:s}", "name", s->name);

	if (o == NULL)
		return NULL;
	add_keys(o, SECTION_PORT, s);
	dataplane_port_counters(d->dp, p->index, &counters);
	json_object_set_new(o, "queues", json_integer(s->queues));
	json_object_set_new(o, "link", json_string(port_is_up(p) ? "up" : "down"));
	json_object_set_new(o, "mac", json_mac(mac_to_u64(&p->filter.unicast[0].mac)));
	json_object_set_new(o, "filter", json_filter(&p->filter));
	json_object_set_new(o, "sync", json_sync(p));
	if (port_is_vhost(p)) {
		json_object_set_new(o, "state", json_string(states[p->state]));
		json_object_set_new(o, "guest", json_guest(p));
	} else {
		json_object_set_new(o, "driver", json_string(p->nic.driver));
		json_object_set_new(o, "mtu", json_integer(p->nic.mtu));
		json_object_set_new(o, "notes", json_notes(&p->nic));
	}
	json_object_set_new(o, "counters", json_counters(&counters, "guest"));
	return o;
}

static json_t *
json_demux(const struct daemon *d, const struct uplink *u)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < u->filter.now.n; i++) {
		const struct filter_address *a = &u->filter.now.addresses[i];
		const struct port *p = d->ports[a->port];
		json_t *o;

		if (p == NULL)
			continue;
		o = json_pack("{s:o, s:s, s:s, s:s}", "address", json_mac(a->mac), "port",
			      p->settings.name, "tier", filter_tier_name(a->tier), "why", a->why);
		if (o != NULL && a->no_rule != NULL)
			json_object_set_new(o, "no_rule", json_string(a->no_rule));
		json_array_append_new(array, o);
	}
	return array;
}

/* As the follow timer saw them last. */
static json_t *
json_members(const struct nic_bond *bond)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < bond->n; i++) {
		const struct bond_member *m = &bond->members[i];

		json_array_append_new(array, json_pack("{s:s, s:s, s:b}", "name",
						       nic_bond_member_name(m), "link",
						       m->up ? "up" : "down", "active", m->active));
	}
	return array;
}

static json_t *
json_queue_workers(const struct uplink *u)
{
	char text[TEXT_SIZE];

	key_get(key_find(SECTION_UPLINK, "queue_workers"), &u->settings, text, sizeof(text));
	return json_string(text);
}

json_t *
show_uplink(const struct daemon *d, const struct uplink *u)
{
	const struct nic *nic = &u->nic;
	struct counters counters;
	json_t *o;

	dataplane_uplink_counters(d->dp, u->index, &counters);
	o = json_pack("{s:s, s:s, s:s, s:o, s:s, s:i, s:i}", "name", u->settings.name, "device",
		      u->settings.device, "driver", nic->driver, "mac",
		      json_mac(mac_to_u64(&nic->mac)), "link", nic->carrier ? "up" : "down",
		      "speed", (int)nic->speed, "mtu", (int)nic->mtu);
	if (o == NULL)
		return NULL;
	if (nic->bond != NULL)
		json_object_set_new(o, "members", json_members(nic->bond));
	json_object_set_new(o, "promiscuous", json_boolean(u->filter.promiscuous));
	json_object_set_new(o, "allmulticast", json_boolean(u->filter.allmulticast));
	if (u->filter.promiscuous_why != NULL)
		json_object_set_new(o, "promiscuous_why", json_string(u->filter.promiscuous_why));
	if (u->filter.allmulticast_why != NULL)
		json_object_set_new(o, "allmulticast_why", json_string(u->filter.allmulticast_why));
	json_object_set_new(o, "hairpin", json_on_off(u->settings.hairpin));
	json_object_set_new(o, "queues", json_integer(nic->shared_queues));
	json_object_set_new(o, "queue_workers", json_queue_workers(u));
	json_object_set_new(o, "offloads",
			    offloads_json_device(nic->tx_offloads, nic->rx_offloads));
	json_object_set_new(o, "demux", json_demux(d, u));
	json_object_set_new(o, "notes", json_uplink_notes(d, u));
	json_object_set_new(o, "counters", json_counters(&counters, "wire"));
	json_object_set_new(o, "removed_ports", json_counters(&u->removed_ports, "guest"));
	return o;
}

static json_t *
json_owned(const struct port *p, const struct filter_entry *entry, bool with_uplink)
{
	json_t *o = json_pack("{s:o, s:s, s:s}", "address", json_mac(mac_to_u64(&entry->mac)),
			      "port", p->settings.name, "source", source_name(entry->source));

	if (o != NULL && with_uplink)
		json_object_set_new(o, "uplink", json_string(p->settings.uplink));
	return o;
}

void
show_maddr(const struct port *p, json_t *array)
{
	const struct rx_filter *f = &p->filter;

	for (uint32_t i = 1; i < f->n_unicast; i++)
		json_array_append_new(array, json_owned(p, &f->unicast[i], false));
	for (uint32_t i = 0; i < f->n_multicast; i++)
		json_array_append_new(array, json_owned(p, &f->multicast[i], false));
}

/* Unicast addresses that lead somewhere now: a port without a running guest owns nothing. */
void
show_fdb(const struct port *p, json_t *array)
{
	for (uint32_t i = 0; port_is_up(p) && i < p->filter.n_unicast; i++)
		json_array_append_new(array, json_owned(p, &p->filter.unicast[i], true));
}
