/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * From a guest's wishes to its port's receive filter. Called on the control thread: by the QMP
 * device's answers, by port.c on changes of settings and rings, by uplink.c on carrier changes, and
 * by publish.c.
 */
#include "control/guest_sync.h"

#include <bsd/string.h>
#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <time.h>

#include "config/keys.h"
#include "control/daemon.h"
#include "control/log.h"
#include "control/port_mac.h"
#include "control/publish.h"

static void
refuse(struct port *p, const struct mac_addr *mac, const char *why, bool count)
{
	char text[MAC_TEXT_SIZE];

	if (!count)
		return;
	p->sync.refused++;
	snprintf(p->sync.refusal, sizeof(p->sync.refusal), "%s refused: %s", mac_format(mac, text),
		 why);
	log_warning("port %s: the guest's address %s", p->settings.name, p->sync.refusal);
}

/* May the guest have this unicast address? Else it is refused, once for each change that asks. */
static bool
may_have(struct port *p, const struct mac_addr *mac, bool count)
{
	const char *owner = port_mac_owner(p->daemon, p, mac);
	char why[NAME_SIZE + 32];

	if (owner == NULL)
		return true;
	snprintf(why, sizeof(why), "%s has it", owner);
	refuse(p, mac, why, count);
	return false;
}

/*
 * Adds the guest's table, up to what max_addresses leaves; *left is counted down. held: only what
 * the port has already, else only what it has not: beyond the limit it is the newcomers that go.
 */
static void
add_table(struct port *p, struct rx_filter *f, const struct mac_addr *table, uint32_t n, bool held,
	  uint32_t *left, bool count)
{
	for (uint32_t i = 0; i < n; i++) {
		if (rx_filter_has(&p->filter, &table[i]) != held || rx_filter_has(f, &table[i]))
			continue;
		if (*left == 0) {
			refuse(p, &table[i], "max_addresses is reached", count);
			continue;
		}
		if (!mac_is_multicast(&table[i]) && !may_have(p, &table[i], count))
			continue;
		rx_filter_add(f, &table[i], FILTER_GUEST);
		(*left)--;
	}
}

static void
add_tables(struct port *p, struct rx_filter *f, bool count)
{
	const struct guest_filter *g = &p->sync.wanted;
	bool unicast = p->settings.trust_guest_rx_filters == TRUST_ON && !g->no_unicast;
	uint32_t left = p->settings.max_addresses;

	for (int held = 1; held >= 0; held--) {
		if (unicast)
			add_table(p, f, g->unicast, g->n_unicast, held != 0, &left, count);
		if (!g->no_multicast)
			add_table(p, f, g->multicast, g->n_multicast, held != 0, &left, count);
	}
}

/*
 * The guest's part, as far as it is trusted. VLANs: a port takes every tag, so whatever table the
 * guest has, nothing needs to be opened for it. broadcast-allowed: always false in QEMU, says
 * nothing.
 */
static void
add_guest(struct port *p, struct rx_filter *f, bool count)
{
	const struct guest_filter *g = &p->sync.wanted;
	enum trust trust = p->settings.trust_guest_rx_filters;

	if (!p->sync.have || trust == TRUST_OFF)
		return;
	if (trust == TRUST_ON) {
		f->promisc |= g->promisc || g->all_unicast;
		if (memcmp(&g->main, &f->unicast[0].mac, sizeof(g->main)) != 0 &&
		    may_have(p, &g->main, count))
			f->unicast[0] = (struct filter_entry){g->main, FILTER_GUEST};
	}
	f->allmulticast |= g->all_multicast && !g->no_multicast;
	add_tables(p, f, count);
}

/* true: the port's filter changed. */
static bool
make_filter(struct port *p, bool count)
{
	struct rx_filter f;

	rx_filter_from_settings(&f, &p->settings);
	add_guest(p, &f, count);
	if (rx_filter_equal(&f, &p->filter))
		return false;
	p->filter = f;
	return true;
}

void
guest_sync_filters(struct daemon *d)
{
	bool changed = true;

	/* What one gives up another may get: once more after a change, and that settles it, because
	 * nobody loses to somebody who asks. */
	for (int round = 0; changed && round < 2; round++) {
		changed = false;
		for (uint32_t i = 0; i < MAX_PORTS; i++)
			if (d->ports[i] != NULL)
				changed |= make_filter(d->ports[i], false);
	}
}

static void
apply(struct port *p)
{
	struct daemon *d = p->daemon;

	p->sync.waiting = false;
	p->sync.this_second++;
	make_filter(p, true);
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
