/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "control/daemon.h"

/*
 * Which worker polls which queue in the next view, and which transmit queue each worker has. Made
 * by publish.c for each view; what is planned takes effect by poll_plan_commit, once it is
 * published. Control thread.
 */
struct poll_plan {
	uint32_t n;
	struct placed_queue queues[QUEUE_SLOTS];
	struct view_poll polls[QUEUE_SLOTS]; /* of the same places */
	bool moving[QUEUE_SLOTS];            /* another worker polls it now */
	uint32_t n_moving;
	bool ports_moving;            /* a port's queue is among them */
	uint32_t served[MAX_UPLINKS]; /* workers that serve it, a bit each */
	struct view_poll grouped[QUEUE_SLOTS];
};

/*
 * The workers that serve an uplink and its ports, and the transmit queue of each: as many as the
 * device with the fewest has, those that queue_workers name first.
 */
struct serving {
	uint32_t mask; /* workers, a bit each */
	uint32_t n;
	uint8_t txq[MAX_WORKERS];
};
void uplink_serving(const struct daemon *d, const struct uplink *u, struct serving *s);

/* Is what queue_workers of the uplink and of its ports say possible with workers many? 0 or
 * -EINVAL, the culprit named. For devices that are open. */
int uplink_check_pins(const struct daemon *d, const struct uplink *u, uint32_t workers,
		      struct errmsg *e);

/* All queues that there are to poll, as they are placed, for placement.c; polls and queues only. */
void poll_plan_list(const struct daemon *d, struct poll_plan *plan);

/* The same, planned, with what moves; old: the published view. Sets the transmit queues in spec. */
void poll_plan_make(const struct daemon *d, const struct view *old, struct view_spec *spec,
		    struct poll_plan *plan);

/* Gives spec the polls of the plan, of each worker; without_moving: all but those that move. */
void poll_plan_group(const struct daemon *d, struct poll_plan *plan, bool without_moving,
		     struct view_spec *spec);

/* The plan is published. */
void poll_plan_commit(struct daemon *d, const struct poll_plan *plan);
