/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * A worker's rest. It goes to sleep in three steps, so that no frame waits for the bound:
 *
 *   1. armed: guests and devices are told to give a sign of what they send from now on;
 *   2. every queue is polled once more: what came before the sign was asked for is found here;
 *   3. it waits for a sign, for control's bell, or for the bound.
 *
 * Signs cost the guest an exit, so they are off as soon as there are frames again.
 */
/* The longest sleep; what gives no sign (a RARP of rte_vhost's) waits so long. */
#define IDLE_BOUND_US 2000

struct worker;

/* The worker's own, but for sleeps, which control reads. */
struct idle {
	bool armed;
	uint64_t armed_generation; /* of the view whose queues were armed */
	uint64_t sleeps;
};

/* Once, on the worker's thread, before anything else. */
void idle_start(void);
/* A step towards sleep, or a sleep. Called in place of the next round's pause, when the last polls
 * were in vain for long enough. */
void idle_rest(struct worker *w);
/* There were frames: signs are no longer wanted. Call it if idle.armed. */
void idle_disarm(struct worker *w);
