/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * A port's life: added with a socket or a device, changed while frames flow,
 * removed. Control thread: called by the commands and the reload. Its guest: guest.c.
 *
 * Who may still hold a port at removal, and why each ends: the workers (publish without it returns
 * after the grace period), a vhost callback that waits (vhost_unregister releases it), frames of a
 * device's buffers in the NIC's transmit ring (daemon_retire_pool waits for them).
 */
#include "control/port.h"

#include <errno.h>
#include <rte_ethdev.h>
#include <stdlib.h>
#include <string.h>

#include "config/keys.h"
#include "control/guest.h"
#include "control/log.h"
#include "control/poll_plan.h"
#include "control/port_mac.h"
#include "control/publish.h"

static int
free_index(const struct daemon *d)
{
	for (int i = 0; i < MAX_PORTS; i++)
		if (d->ports[i] == NULL)
			return i;
	return -ENOSPC;
}

/* All rules for s beside the other ports and on its uplink. */
static int
check(const struct daemon *d, const struct uplink *u, const struct port_settings *s,
      struct errmsg *e)
{
	struct settings snapshot;
	int err = daemon_snapshot(d, &snapshot);

	if (err != 0)
		return err_set(e, err, "out of memory");
	err = port_settings_check(&snapshot, s, e);
	settings_free(&snapshot);
	if (err != 0)
		return err;
	return port_mac_check(d, u, s, e);
}

/* Gives the interface of the host's stack the port's address. 0 or the driver's errno. */
static int
set_device_mac(const struct port *p)
{
	struct rte_ether_addr mac;

	memcpy(mac.addr_bytes, p->settings.mac.b, sizeof(mac.addr_bytes));
	return rte_eth_dev_default_mac_addr_set(p->nic.ethdev, &mac);
}

static int
open_device(const struct daemon *d, struct port *p, struct errmsg *e)
{
	struct nic_wants wants = {.name = p->settings.name,
				  .device = p->settings.device,
				  .mtu = p->uplink->nic.mtu,
				  .rx_queues = p->settings.queues,
				  .workers = d->workers.n,
				  .max_workers = workers_to_come(d),
				  .may_sleep = d->settings.idle == IDLE_SLEEP,
				  .offloads = p->settings.offloads};
	int err = nic_open(&p->nic, &wants, e);

	if (err != 0)
		return err;
	if (set_device_mac(p) != 0)
		nic_note(&p->nic,
			 "the driver does not set the interface's address: do it yourself");
	return 0;
}

static void
close_endpoint(struct daemon *d, struct port *p)
{
	struct rte_mempool *pool;

	if (port_is_vhost(p)) {
		vhost_unregister(d->vhost, p->settings.socket);
		guest_close_kicks(p->kicks);
		return;
	}
	nic_close(&p->nic, &pool);
	daemon_retire_pool(d, pool);
}

json_t *
port_facts(const struct port *p)
{
	char mac[MAC_TEXT_SIZE];

	return json_pack("{s:s, s:s, s:s}", "uplink", p->settings.uplink, "mode",
			 mode_name(p->settings.mode), "mac", mac_format(&p->settings.mac, mac));
}

int
port_add(struct daemon *d, const struct port_settings *s, struct errmsg *e)
{
	struct uplink *u = daemon_find_uplink(d, s->uplink);
	int index = free_index(d);
	struct port *p;
	int err;

	if (daemon_find_port(d, s->name) != NULL)
		return err_set(e, -EEXIST, "port %s exists already", s->name);
	if (u == NULL)
		return err_set(e, -ENOENT, "port %s: there is no uplink '%s'", s->name, s->uplink);
	if (index < 0)
		return err_set(e, index, "port %s: there are %u ports already, the most possible",
			       s->name, MAX_PORTS);
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return err_set(e, -ENOMEM, "port %s: out of memory", s->name);
	p->settings = *s;
	p->index = (uint16_t)index;
	p->uplink = u;
	p->daemon = d;
	p->guest.vid = p->waiting.vid = p->vid_in_view = -1;
	p->worker_node = -1;
	for (uint16_t q = 0; q < MAX_QUEUE_PAIRS; q++)
		p->kicks[q] = -1;
	port_mac_choose(d, u, &p->settings);
	err = check(d, u, &p->settings, e);
	if (err == 0)
		err = port_is_vhost(p) ? vhost_register(d->vhost, &p->settings, e)
				       : open_device(d, p, e);
	if (err != 0) {
		free(p);
		return err;
	}
	d->ports[index] = p;
	err = guest_sync_start(d, p, e);
	if (err == 0)
		err = uplink_check_pins(d, u, d->workers.n, e);
	if (err == 0 && publish(d) != 0)
		err = err_set(e, -ENOMEM, "port %s: out of memory", s->name);
	if (err != 0) {
		port_del(d, p);
		return err;
	}
	log_info("port %s: added to uplink %s, mode %s", s->name, s->uplink, mode_name(s->mode));
	daemon_event(d, "port.added", s->name, port_facts(p));
	return 0;
}

static int
check_mode_change(const struct port *p, const struct port_settings *s, struct errmsg *e)
{
	if (p->settings.mode == s->mode ||
	    (p->settings.mode != MODE_PASSTHRU && s->mode != MODE_PASSTHRU))
		return 0;
	return err_set(e, -EPERM,
		       "port %s: mode: a running port does not change from or to passthru; delete "
		       "it and add it in mode %s",
		       s->name, mode_name(s->mode));
}

/* Are all changes good together, beside the ports that do not change? */
static int
check_changes(const struct daemon *d, const struct port_change *changes, uint32_t n,
	      struct errmsg *e)
{
	struct settings snapshot;
	int err = daemon_snapshot(d, &snapshot);

	if (err != 0)
		return err_set(e, err, "out of memory");
	for (uint32_t i = 0; i < n; i++)
		*settings_find_port(&snapshot, changes[i].wanted.name) = changes[i].wanted;
	for (uint32_t i = 0; i < n && err == 0; i++) {
		err = check_mode_change(changes[i].port, &changes[i].wanted, e);
		if (err == 0)
			err = port_settings_check(&snapshot, &changes[i].wanted, e);
		if (err == 0)
			err = port_mac_check(d, changes[i].port->uplink, &changes[i].wanted, e);
	}
	settings_free(&snapshot);
	return err;
}

/* Exchanges each port's settings with its change's: done twice, it undoes itself. */
static void
swap_settings(struct port_change *changes, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct port_settings former = changes[i].port->settings;

		changes[i].port->settings = changes[i].wanted;
		changes[i].wanted = former;
	}
}

/* Monitors and trust as the settings in force say; .wanted has the former ones. */
static int
sync_changes(struct daemon *d, const struct port_change *changes, uint32_t n, struct errmsg *e)
{
	int err = 0;

	for (uint32_t i = 0; i < n && err == 0; i++)
		err = guest_sync_settings(d, changes[i].port, &changes[i].wanted, e);
	return err;
}

/* After a change: what is not in the view. */
static void
finish_change(struct daemon *d, const struct port *p, const struct port_settings *former)
{
	if (!port_is_vhost(p) && memcmp(&former->mac, &p->settings.mac, sizeof(former->mac)) != 0)
		set_device_mac(p);
	daemon_event(d, "port.changed", p->settings.name, port_facts(p));
}

int
port_set_many(struct daemon *d, struct port_change *changes, uint32_t n, struct errmsg *e)
{
	int err;

	if (n == 0)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		port_mac_choose(d, changes[i].port->uplink, &changes[i].wanted);
	err = check_changes(d, changes, n, e);
	if (err != 0)
		return err;
	swap_settings(changes, n);
	err = sync_changes(d, changes, n, e);
	for (uint32_t i = 0; err == 0 && i < n; i++)
		err = uplink_check_pins(d, changes[i].port->uplink, d->workers.n, e);
	if (err == 0 && publish(d) != 0)
		err = err_set(e, -ENOMEM, "out of memory");
	if (err != 0) {
		swap_settings(changes, n);
		sync_changes(d, changes, n, NULL);
		return err;
	}
	for (uint32_t i = 0; i < n; i++)
		finish_change(d, changes[i].port, &changes[i].wanted);
	return 0;
}

int
port_set(struct daemon *d, struct port *p, const struct port_settings *s, struct errmsg *e)
{
	struct port_change change = {.port = p, .wanted = *s};

	return port_set_many(d, &change, 1, e);
}

void
port_del(struct daemon *d, struct port *p)
{
	struct counters last;

	p->state = PORT_DRAINING;
	guest_sync_stop(p);
	d->ports[p->index] = NULL;
	if (publish(d) != 0) {
		/* The view still has it: keep the slot, and the memory, rather than crash a worker.
		 */
		d->ports[p->index] = p;
		log_error("port %s: out of memory while removing it", p->settings.name);
		return;
	}
	close_endpoint(d, p);
	dataplane_port_counters(d->dp, p->index, &last);
	counters_add(&p->uplink->removed_ports, &last);
	dataplane_clear_port(d->dp, p->index);
	log_info("port %s: removed", p->settings.name);
	daemon_event(d, "port.removed", p->settings.name, NULL);
	free(p);
}
