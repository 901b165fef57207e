/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config/errmsg.h"
#include "control/guest_filter.h"
#include "control/qmp.h"

/*
 * One NIC of a guest, seen through QEMU's monitor: what it wants to receive, and whether its link
 * is up. One per port. A guest's changes come as answers to a query that is sent when the monitor
 * becomes ready, after each event that may concern the NIC, when its owner knows of a reason, and 5
 * s after a failure. At most one query is under way; whatever asks for one meanwhile gets exactly
 * one more, so that the last state wins.
 *
 * Thread-safety: none; control thread. The callbacks come from the event loop; on_state also from
 * within qmp_device_follow. They may call every function here but qmp_device_destroy on the device
 * that calls them.
 */

enum qmp_device_state {
	QMP_DEVICE_OFF,        /* no monitor is configured, or nothing is asked (follow is off) */
	QMP_DEVICE_CONNECTING, /* no answer yet, or no monitor any more */
	QMP_DEVICE_SYNCED,     /* the last answer was good */
	QMP_DEVICE_FAILED,     /* the monitor, or its last answer, is no good; it is tried again */
};

/* "off", "connecting", "synced", "failed". */
const char *qmp_device_state_name(enum qmp_device_state state);

/* What the owner is told; each function may be NULL. */
struct qmp_device_owner {
	/* An answer came, changed or not. Without one the last that came still stands. */
	void (*on_filter)(void *ctx, const struct guest_filter *filter);
	/* State or reason changed. The state after qmp_device_create is not told. */
	void (*on_state)(void *ctx, enum qmp_device_state state, const char *reason);
	void *ctx;
};

struct qmp_device_settings {
	const char *path;      /* of the monitor's socket; "": none, the device stays off */
	const char *id;        /* of QEMU's -device; copied */
	bool follow;           /* ask for the filter; else events are counted and no more */
	unsigned int retry_ms; /* from a failure to the next try; 0: 5 s */
};

struct qmp_device_info {
	enum qmp_device_state state;
	const char *reason;     /* of the state; "" where there is none to give; the device's */
	const char *last_error; /* stays when things go well again; "": none yet; the device's */
	uint64_t events;        /* NIC_RX_FILTER_CHANGED for this NIC, or for one without a name */
	uint64_t queries;       /* sent */
	uint64_t failures; /* refusals, bad answers, and lost connections that QEMU is to blame for
			    */
};

struct qmp_device;

/*
 * Joins the monitor and tries for as long as the device lives. 0; -EINVAL: the id is empty, longer
 * than 63 bytes or not UTF-8; -ENAMETOOLONG: path; -ENOMEM.
 */
int qmp_device_create(struct qmp_monitors *monitors, const struct qmp_device_settings *settings,
		      const struct qmp_device_owner *owner, struct qmp_device **device,
		      struct errmsg *e);

/* Nothing is called back any more. NULL is allowed. */
void qmp_device_destroy(struct qmp_device *device);

/*
 * Off: no query is sent, so QEMU, which sends one event per query, falls silent; an answer under
 * way is dropped. On: asks at once.
 */
void qmp_device_follow(struct qmp_device *device, bool follow);

/*
 * The guest's rings stopped or started, which may have been a reset that QEMU sends no event for.
 * Without a connection this is also a hint that QEMU may be there.
 */
void qmp_device_requery(struct qmp_device *device);

/*
 * The link that the guest shall see, from now on; needs no follow. The last call wins. Sent when
 * the monitor is ready; after a reconnect only where QEMU (perhaps a new one, whose links are up)
 * may not have it, so that "up" does not undo what somebody else set. Never called: the link is
 * left alone.
 */
void qmp_device_set_link(struct qmp_device *device, bool up);

void qmp_device_get_info(const struct qmp_device *device, struct qmp_device_info *info);
