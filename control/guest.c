/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * A vhost-user port's guest comes, runs and goes: what the vhost mailbox reports becomes the port's
 * state, the view, and events for monitors. Control thread.
 */
#include "control/guest.h"

#include <string.h>
#include <unistd.h>

#include "control/log.h"
#include "control/port.h"
#include "control/publish.h"

#define OUT_OF_MEMORY_PAUSE_US 10000

static struct port *
find_by_socket(const struct daemon *d, const char *path)
{
	for (uint32_t i = 0; i < MAX_PORTS; i++)
		if (d->ports[i] != NULL && strcmp(d->ports[i]->settings.socket, path) == 0)
			return d->ports[i];
	return NULL;
}

/* How many queue pairs, from the first on, have both rings enabled. */
static uint16_t
usable_pairs(const struct guest *g)
{
	uint16_t n = 0;

	while (n < MAX_QUEUE_PAIRS && (g->rings >> (2 * n) & 3) == 3)
		n++;
	return n;
}

/*
 * The guest's memory goes when this returns, so workers must have let go of it: without memory for
 * a new view there is nothing to do but to wait for some.
 */
static void
publish_surely(struct daemon *d, const struct port *p)
{
	while (publish(d) != 0) {
		log_error("port %s: out of memory: the guest's state waits for it",
			  p->settings.name);
		usleep(OUT_OF_MEMORY_PAUSE_US);
	}
}

void
guest_close_kicks(int kicks[MAX_QUEUE_PAIRS])
{
	for (uint16_t q = 0; q < MAX_QUEUE_PAIRS; q++) {
		if (kicks[q] >= 0)
			close(kicks[q]);
		kicks[q] = -1;
	}
}

/*
 * Publishes with the rings' present kick descriptors. They are copies of our own: the guest's
 * program has the originals too, so that the library's closing its ones would not take them out of
 * a worker's epoll set.
 */
static void
publish_with_kicks(struct daemon *d, struct port *p)
{
	int former[MAX_QUEUE_PAIRS];

	memcpy(former, p->kicks, sizeof(former));
	for (uint16_t q = 0; q < MAX_QUEUE_PAIRS; q++)
		p->kicks[q] =
			q < p->pairs ? vhost_kick_fd(p->guest.vid, vhost_guest_tx_ring(q)) : -1;
	publish_surely(d, p);
	guest_close_kicks(former);
}

/* Brings state, view and the guest's kicks in line with what is known of the guest now. */
static void
settle(struct daemon *d, struct port *p)
{
	struct guest *g = &p->guest;
	uint16_t pairs = g->running ? usable_pairs(g) : 0;
	bool was_up = p->state == PORT_READY;
	bool same_view = pairs == p->pairs && (pairs == 0 || g->vid == p->vid_in_view);

	p->pairs = pairs;
	p->vid_in_view = g->vid;
	p->state = pairs > 0 ? PORT_READY : g->vid >= 0 ? PORT_CONNECTED : PORT_CONFIGURED;
	if (same_view)
		return;
	for (; g->quiet_rings < 2 * pairs; g->quiet_rings++)
		vhost_disable_kicks(g->vid, g->quiet_rings);
	if (pairs > p->settings.queues)
		log_warning("port %s: the guest uses %u queue pairs, more than its queues = %u",
			    p->settings.name, pairs, p->settings.queues);
	publish_with_kicks(d, p);
	if (was_up == (p->state == PORT_READY))
		return;
	log_info("port %s: guest %s", p->settings.name, was_up ? "down" : "up");
	daemon_event(d, was_up ? "port.down" : "port.up", p->settings.name, port_facts(p));
}

/*
 * A port has one guest. Another connection to its socket waits, and is the guest when the first has
 * gone: a QEMU that comes back may be seen before its former self is seen to leave.
 */
static struct guest *
guest_of_event(struct port *p, const struct guest_event *event)
{
	if (event->kind != GUEST_CONNECTED)
		return event->vid == p->guest.vid     ? &p->guest
		       : event->vid == p->waiting.vid ? &p->waiting
						      : NULL;
	if (p->guest.vid < 0)
		return &p->guest;
	log_warning("port %s: another connection to its socket waits for the guest to leave",
		    p->settings.name);
	return &p->waiting;
}

static void
note_ring(struct guest *g, const struct guest_event *event)
{
	if (event->ring >= 2 * MAX_QUEUE_PAIRS)
		return;
	g->rings &= ~(UINT32_C(1) << event->ring);
	g->rings |= (uint32_t)event->enabled << event->ring;
	if (!event->enabled)
		g->quiet_rings = RTE_MIN(g->quiet_rings, event->ring);
}

void
guest_on_event(void *ctx, const struct guest_event *event)
{
	struct daemon *d = ctx;
	struct port *p = find_by_socket(d, event->path);
	struct guest *g = p != NULL ? guest_of_event(p, event) : NULL;

	if (g == NULL)
		return; /* of a port removed meanwhile, or of one connection too many */
	switch (event->kind) {
	case GUEST_CONNECTED:
		*g = (struct guest){.vid = event->vid};
		break;
	case GUEST_READY:
		g->running = true;
		p->worker_node = -1;
		break;
	case GUEST_RING:
		note_ring(g, event);
		break;
	case GUEST_GONE:
		g->running = false;
		g->quiet_rings = 0;
		break;
	case GUEST_DISCONNECTED:
		*g = g == &p->guest ? p->waiting : (struct guest){.vid = -1};
		if (g == &p->guest)
			p->waiting = (struct guest){.vid = -1};
		break;
	}
	if (event->kind == GUEST_READY || event->kind == GUEST_GONE)
		guest_sync_rings(p);
	settle(d, p);
}
