/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/view.h"

/*
 * What ends the sleep of one worker: the descriptors by which guests and devices tell that there
 * are frames, and a bell that control rings. Control makes and changes it; the worker only waits on
 * .epoll (dataplane/idle.c) and reads .deaf.
 *
 * Order, at a publication: wakeup_watch before the view is published (a descriptor too many wakes
 * for nothing, one too few would let frames wait), wakeup_settle after the grace period, before
 * anybody closes a descriptor that the former view had.
 */
struct wakeup {
	int epoll;         /* edge-triggered: nobody reads the descriptors. -1: there is none */
	int bell;          /* eventfd */
	_Atomic bool deaf; /* control writes: something that is polled has no descriptor */

	/* Control only: what epoll watches, ascending; and what it will after wakeup_settle. */
	int *watched, *next;
	uint32_t n_watched, n_next;
	bool next_deaf;
};

/* The descriptor that becomes readable when frames come to a queue; -1: there is none. */
typedef int (*wake_fd_fn)(void *ctx, const struct view_poll *poll);

/* 0 or a negative errno. wakeup_destroy may follow in either case. */
int wakeup_create(struct wakeup *wu);
void wakeup_destroy(struct wakeup *wu);

/* From now on also watches what the worker will poll. */
void wakeup_watch(struct wakeup *wu, const struct view_worker *worker, wake_fd_fn fd_of, void *ctx);
/* From now on watches nothing else. */
void wakeup_settle(struct wakeup *wu);
/* Ends the worker's sleep, or the next one before it begins. */
void wakeup_ring(const struct wakeup *wu);
