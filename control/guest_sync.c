/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Follows a guest's wishes: asks QEMU, and applies answers at once or at their turn. Called on the
 * control thread: by the QMP device's answers, by port.c and guest.c on changes of settings and
 * rings, and by uplink_events.c on carrier changes.
 */
#include "control/guest_sync.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <time.h>

#include "control/daemon.h"
#include "control/log.h"
#include "control/port_filter.h"
#include "control/publish.h"

static void
apply(struct port *p)
{
	struct daemon *d = p->daemon;

	p->sync.waiting = false;
	p->sync.this_second++;
	port_filter_make(p, true);
	if (publish(d) != 0)
		log_error("port %s: out of memory: the guest's filter is not in effect",
			  p->settings.name);
	daemon_event(d, "port.filter", p->settings.name,
		     json_pack("{s:i, s:i, s:b, s:b}", "unicast", (int)p->filter.n_unicast,
			       "multicast", (int)p->filter.n_multicast, "promisc",
			       p->filter.promisc, "allmulticast", p->filter.allmulticast));
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct port *p = arg;

	(void)fd;
	(void)what;
	p->sync.second++;
	p->sync.this_second = 0;
	if (p->sync.waiting)
		apply(p);
}

/* A change at once, or, beyond max_filter_changes a second, the last of them when the next begins.
 */
static void
on_filter(void *ctx, const struct guest_filter *filter)
{
	struct port *p = ctx;
	struct guest_sync *s = &p->sync;
	struct timespec now;

	if (s->have && guest_filter_equal(filter, &s->wanted))
		return;
	s->wanted = *filter;
	s->have = true;
	if (s->waiting)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if ((uint64_t)now.tv_sec > s->second) {
		s->second = (uint64_t)now.tv_sec;
		s->this_second = 0;
	}
	if (s->this_second < p->settings.max_filter_changes) {
		apply(p);
		return;
	}
	s->waiting = true;
	evtimer_add(s->turn, &(struct timeval){.tv_usec = (1000000000 - now.tv_nsec) / 1000 + 1});
}

static void
on_state(void *ctx, enum qmp_device_state state, const char *reason)
{
	struct port *p = ctx;

	log_info("port %s: receive-filter sync %s%s%s", p->settings.name,
		 qmp_device_state_name(state), reason[0] != '\0' ? ": " : "", reason);
	daemon_event(
		p->daemon, "port.sync", p->settings.name,
		json_pack("{s:s, s:s}", "state", qmp_device_state_name(state), "reason", reason));
}

int
guest_sync_start(struct daemon *d, struct port *p, struct errmsg *e)
{
	const struct port_settings *s = &p->settings;
	struct qmp_device_settings settings = {.path = s->qmp,
					       .id = s->qmp_device,
					       .follow = s->trust_guest_rx_filters != TRUST_OFF};
	struct qmp_device_owner owner = {.on_filter = on_filter, .on_state = on_state, .ctx = p};
	struct errmsg why;
	int err;

	if (s->qmp[0] == '\0')
		return 0;
	p->sync.turn = evtimer_new(d->base, on_turn, p);
	if (p->sync.turn == NULL)
		return err_set(e, -ENOMEM, "port %s: out of memory", s->name);
	err = qmp_device_create(d->monitors, &settings, &owner, &p->sync.device, &why);
	if (err != 0) {
		guest_sync_stop(p);
		return err_set(e, err, "port %s: qmp: %s", s->name, why.text);
	}
	if (!p->uplink->nic.carrier)
		guest_sync_link(p);
	return 0;
}

void
guest_sync_stop(struct port *p)
{
	qmp_device_destroy(p->sync.device);
	if (p->sync.turn != NULL)
		event_free(p->sync.turn);
	p->sync.device = NULL;
	p->sync.turn = NULL;
	p->sync.have = false;
	p->sync.waiting = false;
}

int
guest_sync_settings(struct daemon *d, struct port *p, const struct port_settings *old,
		    struct errmsg *e)
{
	const struct port_settings *s = &p->settings;

	if (strcmp(s->qmp, old->qmp) != 0 || strcmp(s->qmp_device, old->qmp_device) != 0) {
		guest_sync_stop(p);
		return guest_sync_start(d, p, e);
	}
	if (s->trust_guest_rx_filters == old->trust_guest_rx_filters || p->sync.device == NULL)
		return 0;
	if (s->trust_guest_rx_filters == TRUST_OFF)
		p->sync.have = false;
	qmp_device_follow(p->sync.device, s->trust_guest_rx_filters != TRUST_OFF);
	return 0;
}

void
guest_sync_rings(struct port *p)
{
	if (p->sync.device != NULL)
		qmp_device_requery(p->sync.device);
}

void
guest_sync_link(struct port *p)
{
	if (p->sync.device != NULL && p->settings.link_follow)
		qmp_device_set_link(p->sync.device, p->uplink->nic.carrier);
}
