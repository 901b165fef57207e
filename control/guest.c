/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * A vhost-user port's guest comes, runs and goes: what the vhost mailbox reports becomes the port's
 * state, the view, and events for monitors. Control thread.
 */
#include "control/guest.h"

#include <string.h>

#include "control/log.h"
#include "control/port.h"
#include "control/publish.h"

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

/* Brings state, view and the guest's kicks in line with what is known of the guest now. */
static void
settle(struct daemon *d, struct port *p)
{
	struct guest *g = &p->guest;
	uint16_t pairs = g->running ? usable_pairs(g) : 0;
	bool was_up = p->state == PORT_READY;
	bool same_view = pairs == g->pairs;

	g->pairs = pairs;
	p->state = pairs > 0 ? PORT_READY : g->vid >= 0 ? PORT_CONNECTED : PORT_CONFIGURED;
	if (same_view)
		return;
	for (; g->quiet_rings < 2 * pairs; g->quiet_rings++)
		vhost_disable_kicks(g->vid, g->quiet_rings);
	if (pairs > p->settings.queues)
		log_warning("port %s: the guest uses %u queue pairs, more than its queues = %u",
			    p->settings.name, pairs, p->settings.queues);
	if (publish(d) != 0)
		log_error("port %s: out of memory: the guest's state is not in effect",
			  p->settings.name);
	if (was_up == (p->state == PORT_READY))
		return;
	log_info("port %s: guest %s", p->settings.name, was_up ? "down" : "up");
	daemon_event(d, was_up ? "port.down" : "port.up", p->settings.name, port_facts(p));
}

void
guest_on_event(void *ctx, const struct guest_event *event)
{
	struct daemon *d = ctx;
	struct port *p = find_by_socket(d, event->path);
	struct guest *g;

	if (p == NULL)
		return; /* removed meanwhile */
	g = &p->guest;
	switch (event->kind) {
	case GUEST_CONNECTED:
		*g = (struct guest){.vid = event->vid};
		p->state = PORT_CONNECTED;
		break;
	case GUEST_READY:
		g->vid = event->vid;
		g->running = true;
		guest_sync_rings(p);
		break;
	case GUEST_RING:
		if (event->ring >= 2 * MAX_QUEUE_PAIRS)
			break;
		g->rings &= ~(UINT32_C(1) << event->ring);
		g->rings |= (uint32_t)event->enabled << event->ring;
		if (!event->enabled)
			g->quiet_rings = RTE_MIN(g->quiet_rings, event->ring);
		break;
	case GUEST_GONE:
		g->running = false;
		g->quiet_rings = 0;
		guest_sync_rings(p);
		break;
	case GUEST_DISCONNECTED:
		*g = (struct guest){.vid = -1, .pairs = g->pairs};
		break;
	}
	settle(d, p);
}
