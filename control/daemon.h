/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <jansson.h>

#include "config/config.h"
#include "control/guest_sync.h"
#include "control/nic.h"
#include "control/nic_filter.h"
#include "control/pools.h"
#include "control/rx_filter.h"
#include "control/vhost.h"
#include "control/workers.h"
#include "dataplane/dataplane.h"

/*
 * The daemon's one context: everything that control knows. Made by main.c, passed to everybody,
 * used on the control thread only. Workers see of it only what publish.c puts into the view.
 */

struct daemon;

struct uplink {
	struct uplink_settings settings;
	uint16_t index; /* in views and counters */
	struct nic nic;
	struct nic_steer steer;
	struct nic_filter filter;
	bool resetting; /* the device is stopped: no view has it */
	bool lost;      /* it was removed (hot unplug) and is closed; tried again */
	uint32_t lost_ticks;
	struct counters
		removed_ports; /* what ports counted that are gone, so that sums still match */
};

/* A port's life: configured -> connected -> ready, and back; deleting passes through draining. */
enum port_state { PORT_CONFIGURED, PORT_CONNECTED, PORT_READY, PORT_DRAINING };

struct guest {
	int vid;              /* -1: nobody */
	bool running;         /* between the library's new_device and destroy_device */
	uint32_t rings;       /* enabled rings, a bit each */
	uint16_t quiet_rings; /* rings already told not to kick */
};

struct port {
	struct port_settings settings; /* with the MAC that it was given or that was made up */
	struct rx_filter filter;       /* static entries and the guest's */
	struct guest_sync sync;
	uint16_t index;
	struct uplink *uplink;
	struct daemon *daemon; /* for callbacks that know only their port */
	enum port_state state;
	struct guest guest;   /* a vhost-user port's */
	struct guest waiting; /* connected while another was the guest */
	uint16_t pairs;       /* usable queue pairs, as in the published view */
	int vid_in_view;
	int worker_node; /* NUMA node of the worker of its first queue; -1: not looked at yet */
	bool far;        /* which is not where the guest has its memory */
	int kicks[MAX_QUEUE_PAIRS]; /* our own eventfds of the guest's transmit rings; -1: none */
	struct nic nic;             /* an ethdev-backed port */
};

/* A closed device's buffers, freed when the last frame in somebody's transmit ring is back. */
struct retired_pool {
	struct rte_mempool *pool;
	struct retired_pool *next;
};

struct event_base;
struct qmp_monitors;
struct rpc_server;

struct daemon {
	struct daemon_settings settings;
	char config_path[PATH_MAX]; /* absolute */
	bool hugepages;
	uint64_t generation;
	struct event_base *base;
	struct rpc_server *rpc;
	struct vhost_mailbox *vhost;
	struct qmp_monitors *monitors;
	struct dataplane *dp;
	struct pools pools;
	struct offload_pools segment_pools;
	struct retired_pool *retired;
	struct workers workers;
	struct uplink *uplinks[MAX_UPLINKS];
	struct port *ports[MAX_PORTS];
};

static inline bool
port_is_vhost(const struct port *p)
{
	return p->settings.socket[0] != '\0';
}

/* Guest attached and its rings run; a device port: its device has a carrier. */
static inline bool
port_is_up(const struct port *p)
{
	if (port_is_vhost(p))
		return p->state == PORT_READY;
	return p->nic.carrier && p->state != PORT_DRAINING;
}

struct uplink *daemon_find_uplink(const struct daemon *d, const char *name);
struct port *daemon_find_port(const struct daemon *d, const char *name);

/* The running state as settings (the caller frees them). 0 or -ENOMEM. */
int daemon_snapshot(const struct daemon *d, struct settings *s);

/* Frees pool now or, if frames of it are still on their way, later. NULL is allowed. */
void daemon_retire_pool(struct daemon *d, struct rte_mempool *pool);
/* Tries again; called by the timer. */
void daemon_free_retired(struct daemon *d);

/*
 * Tells every `macvctl monitor`: {"time", "event": "port.up", "name", ...}. more (stolen, may be
 * NULL) has further members.
 */
void daemon_event(struct daemon *d, const char *event, const char *name, json_t *more);
