/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "config/errmsg.h"
#include "dataplane/counters.h"
#include "dataplane/offload.h"
#include "dataplane/view.h"
#include "dataplane/wakeup.h"

/*
 * What control sees of the dataplane: workers that run, a view to publish, counters to read. All
 * functions are for the control thread.
 */
struct dataplane;

struct dataplane_config {
	struct offload_pools pools; /* the caller's; not freed before the dataplane */
	bool may_sleep;             /* workers without frames rest */
	uint32_t idle_after_us;     /* so long without frames */
	uint32_t idle_step_us;      /* a rest where something polled gives no sign */
	wake_fd_fn wake_fd;         /* who gives which sign; called on the control thread */
	void *wake_ctx;
};

/* With an empty view and without a worker. 0; -ENOMEM. Needs rte_eal_init. */
int dataplane_create(const struct dataplane_config *config, struct dataplane **dp,
		     struct errmsg *e);

/* Stops the workers and frees everything. NULL is allowed. */
void dataplane_destroy(struct dataplane *dp);

/*
 * Starts worker id, which must not run, on cpu, with its memory on numa_node. Workers are numbered
 * without a gap, except while one is stopped to be started elsewhere. A view that gives it queues
 * must come after this. 0; -ENOSPC: dataplane_max_workers; -ENOMEM; -EBUSY; -EINVAL: the system
 * refuses the CPU.
 */
int dataplane_start_worker(struct dataplane *dp, uint32_t id, uint32_t cpu, int numa_node,
			   struct errmsg *e);

/* Stops worker id, for whom the published view has no queue. What it counted stays. */
void dataplane_stop_worker(struct dataplane *dp, uint32_t id);

/*
 * Makes v what the workers forward by: one atomic store. Returns after the grace period, when no
 * worker can still use the former view, which is freed. Takes v over. Costs workers nothing; takes
 * one round of the slowest worker (microseconds).
 */
void dataplane_publish(struct dataplane *dp, struct view *v);

/* The published view, for `trace`; valid until the next dataplane_publish. */
const struct view *dataplane_view(const struct dataplane *dp);

/* Adds up all workers' counters of a port or uplink into *sum (which is cleared first). */
void dataplane_port_counters(const struct dataplane *dp, uint16_t port, struct counters *sum);
void dataplane_uplink_counters(const struct dataplane *dp, uint16_t uplink, struct counters *sum);

/*
 * How a port's unicast came from the wire since start: by the NIC's queue for it, or looked up on a
 * shared queue. A steering rule that works leaves nothing to look up.
 */
struct steering {
	uint64_t own_queue;
	uint64_t looked_up;
};
void dataplane_port_steering(const struct dataplane *dp, uint16_t port, struct steering *sum);

/* Clears them. Only when the published view has no such port or uplink. */
void dataplane_clear_port(struct dataplane *dp, uint16_t port);
void dataplane_clear_uplink(struct dataplane *dp, uint16_t uplink);

/* All workers' account of one queue (view_queue_slot) since start. */
void dataplane_queue_load(const struct dataplane *dp, uint16_t slot, struct queue_load *sum);

struct worker_load {
	unsigned int lcore;
	uint32_t cpu;
	int numa_node;
	int tid;              /* kernel's thread id */
	uint64_t busy_cycles; /* TSC cycles since start that went into frames */
	uint64_t idle_cycles;
	uint64_t packets; /* taken in since start */
	uint64_t sleeps;  /* rests since start */
	bool deaf;        /* its rests are steps, because something polled gives no sign */
};

uint32_t dataplane_workers(const struct dataplane *dp);     /* that run */
uint32_t dataplane_max_workers(const struct dataplane *dp); /* that can */
/* All 0: it never ran. */
void dataplane_worker_load(const struct dataplane *dp, uint32_t worker, struct worker_load *load);
