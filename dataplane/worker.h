/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>
#include <stdatomic.h>

#include "dataplane/counters.h"
#include "dataplane/forward.h"
#include "dataplane/idle.h"
#include "dataplane/offload.h"
#include "dataplane/view.h"
#include "dataplane/wakeup.h"

/*
 * One worker: one polling thread, run to completion. Internal to dataplane/; control sees
 * dataplane/dataplane.h.
 *
 * Thread-safety: everything here is written by its own worker alone, except what is marked.
 */

#define BURST 32 /* frames a poll takes; also the room of each output batch */
#define MAX_POLLS (MAX_PORTS * MAX_QUEUE_PAIRS + MAX_UPLINKS * MAX_NIC_QUEUES)

/* Frames of one burst that go to one port or uplink. */
struct batch {
	uint16_t n;
	uint32_t bytes;
	struct rte_mbuf *pkts[BURST];
};

/* A queue that this worker polls. */
struct poll_state {
	struct view_poll poll;
	uint16_t idle_rounds; /* polls in a row that found nothing */
	uint16_t slot;        /* view_queue_slot */
	uint16_t burst;       /* frames that a poll takes: BURST, or fewer of one that floods */
	/* TSC times, by dataplane/flood.c: for which it has used up its share, and until which it
	 * is not looked at. */
	uint64_t flooded_until, held_until;
};

/* What the burst under way has flooded; dataplane/flood.c. */
struct flood_account {
	bool seen, refused;
	uint32_t frames, copies; /* of floods that count against the share */
	uint64_t started;        /* TSC */
};

/* The context of the whole dataplane, made by dataplane.c. */
struct dataplane {
	_Atomic(struct view *) view; /* control writes, workers read */
	/* Constant once workers run: */
	bool may_sleep;
	uint64_t patience;     /* cycles of polling in vain before a worker rests */
	uint32_t idle_step_us; /* a sleep where something polled gives no sign */
	wake_fd_fn wake_fd;    /* control only */
	void *wake_ctx;
	struct wakeup wakeups[MAX_WORKERS]; /* by worker; control changes, the worker waits on it */
	uint64_t tsc_hz;
	struct offload_pools pools; /* constant once workers run */
	struct rte_rcu_qsbr *qsbr;
	uint32_t n_lcores;
	unsigned int lcores[MAX_WORKERS]; /* by worker */
	/* Workers that run are the first n_workers. One that was stopped stays for what it
	 * counted, and goes on from there when it is started again. NULL: never ran. */
	uint32_t n_workers;
	struct worker *workers[MAX_WORKERS];
};

struct worker {
	struct dataplane *dp; /* control writes its view and stop, the worker reads */
	uint32_t id;          /* 0 to MAX_WORKERS - 1; also the QSBR thread id */
	unsigned int lcore;
	uint32_t cpu;
	int numa_node;
	int tid;             /* kernel's id of its thread; written before started */
	_Atomic bool stop;   /* control writes, the worker reads */
	_Atomic int started; /* the worker writes: 1, or a negative errno; control clears */

	struct idle idle;

	/* Polling: hot queues are looked at in each round, cold ones in turn (dataplane/poll.c). */
	const struct view *current;
	uint64_t generation; /* of current; pointers come back after a free, generations do not */
	uint32_t n_hot;      /* polls[0..n_hot) are hot, the rest cold */
	uint32_t n_polls;
	uint32_t next_cold;
	uint64_t cold_credit; /* cycles times cold queues not yet spent on polling them */
	struct poll_state polls[MAX_POLLS];

	uint64_t now;        /* TSC at the start of the round */
	uint64_t unicast_at; /* of the last round with unicast */

	/* The burst under way. */
	struct flood_account flood;
	bool offloads;               /* some of its frames have needs: dataplane/offload.h */
	uint16_t n_touched;          /* ports with something in their batch */
	uint16_t touched[MAX_PORTS]; /* each once */
	struct batch to_port[MAX_PORTS];
	struct batch to_wire;

	/* Worker writes, control reads. */
	uint64_t clock;                /* TSC when busy or idle was counted last */
	uint64_t busy_cycles;          /* TSC cycles until a round's last frames were dealt with */
	uint64_t idle_cycles;          /* the rest, sleep included */
	uint64_t packets;              /* frames taken in */
	uint64_t looked_up[MAX_PORTS]; /* unicast from the wire's shared queues, by receiver */
	uint64_t own_queue[MAX_PORTS]; /* frames from the port's own NIC queue */
	struct counters ports[MAX_PORTS];
	struct counters uplinks[MAX_UPLINKS];
	struct queue_load queues[QUEUE_SLOTS]; /* their cycles add up to busy_cycles */
} __rte_cache_aligned;

/* What an lcore runs until the worker's stop; arg: its struct worker. dataplane/worker.c */
int worker_main(void *arg);

/* Polls what is due, elapsed TSC cycles after the last time; returns the frames that came in. */
uint32_t worker_poll(struct worker *w, uint64_t elapsed);
/* Takes over the poll list of a new view. dataplane/poll.c */
void worker_adopt(struct worker *w, const struct view *v);

/* Decides about a burst and sends it; the frames are the worker's. dataplane/burst.h */
void from_wire_burst(struct worker *w, struct poll_state *source, struct rte_mbuf **pkts,
		     uint16_t n);
void from_guest_burst(struct worker *w, struct poll_state *source, struct rte_mbuf **pkts,
		      uint16_t n);
