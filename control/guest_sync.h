/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "control/guest_filter.h"
#include "control/qmp_device.h"

/*
 * What a port's guest asked for through QEMU's monitor, and when it takes effect; trust,
 * ownership and limits decide in control/port_filter.c. Control thread.
 */
struct daemon;
struct port;
struct event;

struct guest_sync {
	struct qmp_device *device;  /* NULL: the port has no qmp */
	bool have;                  /* wanted is an answer that trust lets us use */
	struct guest_filter wanted; /* the newest answer that is applied, or will be at its turn */
	bool waiting;               /* for its turn: max_filter_changes were applied this second */
	struct event *turn;
	uint64_t second;      /* of the monotonic clock */
	uint32_t this_second; /* changes applied in it */
	uint64_t refused;     /* addresses asked for that the port may not have, ever */
	char refusal[160];    /* the last of those, for people */
};

/* Joins the port's monitor if its settings name one. 0, or qmp_device_create's errors. */
int guest_sync_start(struct daemon *d, struct port *p, struct errmsg *e);
void guest_sync_stop(struct port *p);

/* The port's settings changed: another monitor, device or trust. 0, or guest_sync_start's errors.
 */
int guest_sync_settings(struct daemon *d, struct port *p, const struct port_settings *old,
			struct errmsg *e);

/* The guest's rings stopped or started: QEMU may have reset the filter without saying so. */
void guest_sync_rings(struct port *p);

/* The uplink's carrier, for the guest's link (link_follow). */
void guest_sync_link(struct port *p);
