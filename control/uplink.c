/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Adds, changes, follows and removes uplinks while frames flow. Called on the control thread by the
 * commands, by the configuration's reload, and by the timer.
 */
#include "control/uplink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/log.h"
#include "control/poll_plan.h"
#include "control/publish.h"
#include "control/uplink_events.h"

static int
free_index(const struct daemon *d)
{
	for (int i = 0; i < MAX_UPLINKS; i++)
		if (d->uplinks[i] == NULL)
			return i;
	return -ENOSPC;
}

static int
check(const struct daemon *d, const struct uplink_settings *s, struct errmsg *e)
{
	struct settings snapshot;
	int err = daemon_snapshot(d, &snapshot);

	if (err != 0)
		return err_set(e, err, "out of memory");
	err = uplink_settings_check(&snapshot, s, e);
	settings_free(&snapshot);
	return err;
}

/* Takes the uplink out of everything and frees it; the view must be without ports of it. */
static void
discard(struct daemon *d, struct uplink *u)
{
	struct rte_mempool *pool;

	d->uplinks[u->index] = NULL;
	if (publish(d) != 0)
		log_error("uplink %s: out of memory while removing it", u->settings.name);
	nic_steer_free(&u->steer, &u->nic);
	nic_close(&u->nic, &pool);
	daemon_retire_pool(d, pool);
	dataplane_clear_uplink(d->dp, u->index);
	nic_filter_free(&u->filter);
	free(u);
}

struct nic_wants
uplink_wants(const struct daemon *d, const struct uplink_settings *s)
{
	bool flow = s->demux == DEMUX_AUTO || s->demux == DEMUX_FLOW;

	return (struct nic_wants){.name = s->name,
				  .device = s->device,
				  .mtu = s->mtu,
				  .rx_queues = s->queues,
				  .workers = d->workers.n,
				  .max_workers = workers_to_come(d),
				  .may_sleep = d->settings.idle == IDLE_SLEEP,
				  .port_queues_useful = flow ? nic_steer_supported : NULL,
				  .offloads = s->offloads};
}

static int
check_demux(const struct uplink *u, const struct uplink_settings *s, struct errmsg *e)
{
	if (s->demux != DEMUX_FLOW || u->filter.steer != NULL)
		return 0;
	return err_set(
		e, -ENOTSUP,
		"uplink %s: demux: 'flow' is not possible: the device has no flow rules that "
		"match a destination address, has no receive queue to spare, or was added with "
		"a demux that needs none; auto, filter or promisc",
		s->name);
}

int
uplink_add(struct daemon *d, const struct uplink_settings *s, struct errmsg *e)
{
	struct nic_wants wants = uplink_wants(d, s);
	struct uplink *u;
	int index = free_index(d);
	int err;

	if (daemon_find_uplink(d, s->name) != NULL)
		return err_set(e, -EEXIST, "uplink %s exists already", s->name);
	if (index < 0)
		return err_set(e, index,
			       "uplink %s: there are %u uplinks already, the most possible",
			       s->name, MAX_UPLINKS);
	err = check(d, s, e);
	if (err != 0)
		return err;
	u = calloc(1, sizeof(*u));
	if (u == NULL)
		return err_set(e, -ENOMEM, "uplink %s: out of memory", s->name);
	u->settings = *s;
	u->index = (uint16_t)index;
	err = nic_open(&u->nic, &wants, e);
	if (err != 0) {
		free(u);
		return err;
	}
	nic_steer_init(&u->steer);
	if (u->nic.rx_queues > u->nic.shared_queues)
		u->filter.steer = &u->steer;
	u->filter.traffic = uplink_traffic;
	u->filter.traffic_ctx = d;
	d->uplinks[index] = u;
	err = check_demux(u, s, e);
	if (err == 0)
		err = uplink_check_pins(d, u, d->workers.n, e);
	if (err == 0 && publish(d) != 0)
		err = err_set(e, -ENOMEM, "uplink %s: out of memory", s->name);
	if (err != 0) {
		discard(d, u);
		return err;
	}
	log_info("uplink %s: %s, driver %s, mtu %u, %u receive and %u transmit queues", s->name,
		 s->device, u->nic.driver, u->nic.mtu, u->nic.rx_queues, u->nic.tx_queues);
	daemon_event(d, "uplink.added", s->name, NULL);
	return 0;
}

int
uplink_set(struct daemon *d, struct uplink *u, const struct uplink_settings *s, struct errmsg *e)
{
	struct uplink_settings old = u->settings;
	uint32_t old_mtu = u->nic.mtu;
	struct errmsg why;
	int err = check_demux(u, s, e);

	memcpy(u->settings.queue_workers, s->queue_workers, sizeof(s->queue_workers));
	if (err == 0)
		err = uplink_check_pins(d, u, d->workers.n, e);
	if (err != 0) {
		u->settings = old;
		return err;
	}
	if (u->resetting)
		err = err_set(&why, -EBUSY, "the device is %s",
			      u->lost ? "gone" : "being reset; try again");
	if (err == 0 && s->mtu != 0 && s->mtu != u->nic.mtu)
		err = nic_set_mtu(&u->nic, s->mtu, &why);
	if (err != 0) {
		u->settings = old;
		return err_set(e, err, "uplink %s: %s", s->name, why.text);
	}
	u->settings.mtu = s->mtu;
	u->settings.hairpin = s->hairpin;
	u->settings.demux = s->demux;
	u->settings.flood_share = s->flood_share;
	err = publish(d);
	if (err != 0) {
		u->settings = old;
		nic_set_mtu(&u->nic, old_mtu, NULL);
		return err_set(e, err, "uplink %s: out of memory", s->name);
	}
	daemon_event(d, "uplink.changed", s->name, NULL);
	return 0;
}

int
uplink_del(struct daemon *d, struct uplink *u, struct errmsg *e)
{
	const char *first = NULL;
	uint32_t n = 0;

	for (uint32_t i = 0; i < MAX_PORTS; i++) {
		if (d->ports[i] == NULL || d->ports[i]->uplink != u)
			continue;
		if (n++ == 0)
			first = d->ports[i]->settings.name;
	}
	if (n > 1)
		return err_set(e, -EBUSY,
			       "uplink %s has %u ports (%s and others): delete them first",
			       u->settings.name, n, first);
	if (n == 1)
		return err_set(e, -EBUSY, "uplink %s has port %s: delete it first",
			       u->settings.name, first);
	log_info("uplink %s: removed", u->settings.name);
	daemon_event(d, "uplink.removed", u->settings.name, NULL);
	discard(d, u);
	return 0;
}
