/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <sched.h>

#include "config/settings.h"
#include "control/placement.h"
#include "dataplane/dataplane.h"

/*
 * The workers as control runs them: how many, on which CPUs, and which of them polls which queue;
 * what each of them and each queue did in the last second. Control thread only.
 */

struct daemon;

/* What was counted when; two of them make a rate. */
struct load_sample {
	uint64_t tsc;
	struct worker_load workers[MAX_WORKERS];
	struct queue_load queues[QUEUE_SLOTS];
};

struct workers {
	uint32_t cpus[CPU_SETSIZE]; /* that the process may run on, ascending */
	uint32_t n_cpus;
	uint32_t n; /* that queues are placed on */
	uint32_t worker_cpus[MAX_WORKERS];
	uint32_t parked;                /* a bit each: for now nobody polls its queues */
	bool spread;                    /* n has changed: the next view spreads the queues anew */
	uint8_t placed[QUEUE_SLOTS];    /* by view_queue_slot: its worker, or NO_WORKER */
	uint8_t published[QUEUE_SLOTS]; /* the worker that polls it in the published view */
	uint32_t served[MAX_UPLINKS];  /* workers that serve it in the published view, a bit each */
	struct load_sample samples[2]; /* a second ago, and the second before */
	struct load_sample balance_from; /* where the rebalancing's period began; tsc 0: nowhere */
	uint32_t balance_rest;           /* seconds until the next one may begin */
};

/* Before the EAL starts: which CPUs there are. */
void workers_init(struct workers *w);

/* Starts the workers that the settings ask for. Errors of dataplane_start_worker and of
 * worker_cpus_choose. */
int workers_start(struct daemon *d, struct errmsg *e);

/*
 * Brings the workers to what s says of them (workers, worker_cpus, rebalance), while frames flow: a
 * queue that changes hands pauses shortly, the others do not. 0 with the daemon's settings changed,
 * or an error with nothing changed: -EINVAL: more workers than CPUs, or queue_workers of an uplink
 * or port names one that there would not be.
 */
int workers_set(struct daemon *d, const struct daemon_settings *s, struct errmsg *e);

/* For how many workers a device gets transmit queues when it is opened: what comes later needs no
 * restart of the device. */
#define SPARE_TX_QUEUES 8
uint32_t workers_to_come(const struct daemon *d);

/* Timer, once a second: takes samples and, where asked to, rebalances. */
void workers_tick(struct daemon *d);

/* One period of rebalancing, called by workers_tick. control/rebalance.c */
void rebalance_tick(struct daemon *d);

/* What each worker and each queue did until now. */
void workers_sample(const struct daemon *d, struct load_sample *sample);
