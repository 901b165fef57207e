/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * What `show` prints: ports, uplinks, addresses and workers as JSON. Called by commands.c on the
 * control thread; reads the daemon's context and the workers' counters, changes nothing.
 */
#include "control/show.h"

#include <bsd/string.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <rte_lcore.h>
#include <stdlib.h>

#include "config/keys.h"

#define SOURCE_CONFIG "config" /* an address that the user gave, not the guest */

static json_t *
json_mac(uint64_t mac)
{
	struct mac_addr a;
	char text[MAC_TEXT_SIZE];

	for (int i = 0; i < 6; i++)
		a.b[i] = (uint8_t)(mac >> (8 * (5 - i)));
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

static json_t *
json_address(const struct mac_addr *mac, const char *source)
{
	return json_pack("{s:o, s:s}", "address", json_mac(mac_to_u64(mac)), "source", source);
}

static json_t *
json_filter(const struct port_settings *s)
{
	json_t *unicast = json_array(), *multicast = json_array();

	json_array_append_new(unicast, json_address(&s->mac, SOURCE_CONFIG));
	for (uint32_t i = 0; i < s->n_maddr; i++)
		json_array_append_new(mac_is_multicast(&s->maddr[i]) ? multicast : unicast,
				      json_address(&s->maddr[i], SOURCE_CONFIG));
	return json_pack("{s:b, s:b, s:b, s:o, s:o}", "promisc", s->promisc, "allmulticast",
			 s->allmulticast, "broadcast", 1, "unicast", unicast, "multicast",
			 multicast);
}

static json_t *
json_guest(const struct port *p)
{
	struct guest_facts facts;

	if (!p->guest.running)
		return json_null();
	vhost_facts(p->guest.vid, &facts);
	return json_pack("{s:i, s:s, s:b, s:I, s:i}", "queue_pairs", p->guest.pairs, "ring",
			 facts.features >> VIRTIO_F_RING_PACKED & 1 ? "packed" : "split",
			 "mergeable_buffers", (int)(facts.features >> VIRTIO_NET_F_MRG_RXBUF & 1),
			 "features", (json_int_t)facts.features, "numa_node", facts.numa_node);
}

static json_t *
json_notes(const struct nic *nic)
{
	json_t *notes = json_array();

	for (uint32_t i = 0; i < nic->n_notes; i++)
		json_array_append_new(notes, json_string(nic->notes[i]));
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
	json_object_set_new(o, "filter", json_filter(s));
	/* Guests' own filters are not followed yet: state "off", whatever qmp says. */
	json_object_set_new(o, "sync",
			    json_pack("{s:s, s:s, s:i, s:i, s:n}", "state", "off", "device",
				      s->qmp_device, "events", 0, "refused", 0, "last_error"));
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

		if (p == NULL)
			continue;
		json_array_append_new(array,
				      json_pack("{s:o, s:s, s:s, s:s}", "address", json_mac(a->mac),
						"port", p->settings.name, "tier",
						filter_tier_name(a->tier), "why", a->why));
	}
	return array;
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
	json_object_set_new(o, "promiscuous", json_boolean(u->filter.promiscuous));
	json_object_set_new(o, "allmulticast", json_boolean(u->filter.allmulticast));
	if (u->filter.promiscuous_why != NULL)
		json_object_set_new(o, "promiscuous_why", json_string(u->filter.promiscuous_why));
	if (u->filter.allmulticast_why != NULL)
		json_object_set_new(o, "allmulticast_why", json_string(u->filter.allmulticast_why));
	json_object_set_new(o, "hairpin", json_on_off(u->settings.hairpin));
	json_object_set_new(o, "queues", json_integer(nic->rx_queues));
	json_object_set_new(o, "demux", json_demux(d, u));
	json_object_set_new(o, "notes", json_notes(nic));
	json_object_set_new(o, "counters", json_counters(&counters, "wire"));
	json_object_set_new(o, "removed_ports", json_counters(&u->removed_ports, "guest"));
	return o;
}

void
show_maddr(const struct port *p, json_t *array)
{
	for (uint32_t i = 0; i < p->settings.n_maddr; i++)
		json_array_append_new(array,
				      json_pack("{s:o, s:s, s:s}", "address",
						json_mac(mac_to_u64(&p->settings.maddr[i])), "port",
						p->settings.name, "source", SOURCE_CONFIG));
}

/* Unicast addresses that lead somewhere now: a port without a running guest owns nothing. */
void
show_fdb(const struct port *p, json_t *array)
{
	if (!port_is_up(p))
		return;
	json_array_append_new(array, json_pack("{s:o, s:s, s:s, s:s}", "address",
					       json_mac(mac_to_u64(&p->settings.mac)), "uplink",
					       p->settings.uplink, "port", p->settings.name,
					       "source", SOURCE_CONFIG));
	for (uint32_t i = 0; i < p->settings.n_maddr; i++)
		if (!mac_is_multicast(&p->settings.maddr[i]))
			json_array_append_new(array,
					      json_pack("{s:o, s:s, s:s, s:s}", "address",
							json_mac(mac_to_u64(&p->settings.maddr[i])),
							"uplink", p->settings.uplink, "port",
							p->settings.name, "source", SOURCE_CONFIG));
}

static int
first_cpu(unsigned int lcore)
{
	rte_cpuset_t set = rte_lcore_cpuset(lcore);

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set))
			return cpu;
	return -1;
}

static json_t *
json_polls(const struct daemon *d, uint32_t worker)
{
	const struct view_worker *w = &dataplane_view(d->dp)->workers[worker];
	json_t *polls = json_array();

	for (uint32_t i = 0; i < w->n_polls; i++) {
		const struct view_poll *p = &w->polls[i];
		const char *name = p->from_wire ? d->uplinks[p->index]->settings.name
						: d->ports[p->index]->settings.name;

		json_array_append_new(polls,
				      json_pack("{s:s, s:i}", p->from_wire ? "uplink" : "port",
						name, "queue", p->queue));
	}
	return polls;
}

/* busy_percent and cycles_per_packet are of the last full second, packets since the start. */
json_t *
show_worker(const struct daemon *d, uint32_t worker)
{
	const struct worker_load *new = &d->loads[0][worker], *old = &d->loads[1][worker];
	uint64_t busy = new->busy_cycles - old->busy_cycles;
	uint64_t all = busy + new->idle_cycles - old->idle_cycles;
	uint64_t packets = new->packets - old->packets;
	struct worker_load now;

	dataplane_worker_load(d->dp, worker, &now);
	return json_pack("{s:i, s:i, s:f, s:f, s:I, s:I, s:I, s:o}", "worker", (int)worker, "cpu",
			 first_cpu(now.lcore), "busy_percent",
			 all == 0 ? 0.0 : 100.0 * (double)busy / (double)all, "cycles_per_packet",
			 packets == 0 ? 0.0 : (double)busy / (double)packets, "packets",
			 (json_int_t)now.packets, "busy_cycles", (json_int_t)now.busy_cycles,
			 "idle_cycles", (json_int_t)now.idle_cycles, "polls",
			 json_polls(d, worker));
}
