/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * The workers' number and CPUs, at start and while frames flow, and what they did in the last
 * second. Called on the control thread by main.c, reload.c, the commands and the timer.
 */
#include "control/workers.h"

#include <errno.h>
#include <numa.h>
#include <rte_cycles.h>
#include <stdlib.h>
#include <string.h>

#include "control/daemon.h"
#include "control/log.h"
#include "control/machine.h"
#include "control/poll_plan.h"
#include "control/publish.h"

void
workers_init(struct workers *w)
{
	w->n_cpus = machine_cpus(w->cpus, CPU_SETSIZE);
	memset(w->placed, NO_WORKER, sizeof(w->placed));
	memset(w->published, NO_WORKER, sizeof(w->published));
}

static int
numa_node(uint32_t cpu)
{
	int node = numa_available() < 0 ? 0 : numa_node_of_cpu((int)cpu);

	return node < 0 ? 0 : node;
}

static int
start(struct daemon *d, uint32_t id, uint32_t cpu, struct errmsg *e)
{
	return dataplane_start_worker(d->dp, id, cpu, numa_node(cpu), e);
}

/* The last ones, from first on. */
static void
stop_from(struct daemon *d, uint32_t first)
{
	for (uint32_t id = dataplane_workers(d->dp); id > first; id--)
		dataplane_stop_worker(d->dp, id - 1);
}

/* Workers first to n - 1. */
static int
start_from(struct daemon *d, uint32_t first, uint32_t n, const uint32_t *cpus, struct errmsg *e)
{
	int err = 0;

	for (uint32_t id = first; err == 0 && id < n; id++)
		err = start(d, id, cpus[id], e);
	if (err != 0)
		stop_from(d, first);
	return err;
}

int
workers_start(struct daemon *d, struct errmsg *e)
{
	struct workers *w = &d->workers;
	int n = worker_cpus_choose(&d->settings, w->cpus, w->n_cpus, w->worker_cpus, e);
	int err = n < 0 ? n : start_from(d, 0, (uint32_t)n, w->worker_cpus, e);

	if (err == 0)
		w->n = (uint32_t)n;
	return err;
}

/* A running worker goes to another CPU, and its memory to that CPU's node; its queues pause. */
static int
move_worker(struct daemon *d, uint32_t id, uint32_t cpu, struct errmsg *e)
{
	struct errmsg ignored;
	int err;

	d->workers.parked = UINT32_C(1) << id;
	err = publish(d);
	if (err == 0) {
		dataplane_stop_worker(d->dp, id);
		err = start(d, id, cpu, e);
		if (err != 0)
			start(d, id, d->workers.worker_cpus[id], &ignored);
		else
			d->workers.worker_cpus[id] = cpu;
	} else {
		err_set(e, err, "out of memory");
	}
	d->workers.parked = 0;
	if (publish(d) != 0)
		log_error("out of memory: the queues of worker %u rest until the next change", id);
	return err;
}

/* The first n workers to these CPUs; on error back where they were. */
static int
move_workers(struct daemon *d, uint32_t n, const uint32_t *cpus, struct errmsg *e)
{
	uint32_t before[MAX_WORKERS];
	struct errmsg ignored;
	int err = 0;

	memcpy(before, d->workers.worker_cpus, sizeof(before));
	for (uint32_t id = 0; err == 0 && id < n; id++)
		if (cpus[id] != d->workers.worker_cpus[id])
			err = move_worker(d, id, cpus[id], e);
	for (uint32_t id = 0; err != 0 && id < n; id++)
		if (before[id] != d->workers.worker_cpus[id])
			move_worker(d, id, before[id], &ignored);
	return err;
}

/* Would everything that is configured be possible with n workers and these settings? */
static int
check(const struct daemon *d, const struct daemon_settings *s, uint32_t n, struct errmsg *e)
{
	struct settings snapshot;
	int err = daemon_snapshot(d, &snapshot);

	if (err != 0)
		return err_set(e, err, "out of memory");
	snapshot.daemon = *s;
	err = settings_check(&snapshot, e);
	settings_free(&snapshot);
	for (uint32_t i = 0; err == 0 && i < MAX_UPLINKS; i++)
		if (d->uplinks[i] != NULL)
			err = uplink_check_pins(d, d->uplinks[i], n, e);
	return err;
}

/* Control's threads, and the drivers', keep off the workers' CPUs where there are others. */
static void
place_other_threads(const struct daemon *d)
{
	uint32_t n = dataplane_workers(d->dp);
	int workers[MAX_WORKERS];
	struct worker_load load;
	cpu_set_t set;

	CPU_ZERO(&set);
	for (uint32_t i = 0; i < d->workers.n_cpus; i++)
		CPU_SET(d->workers.cpus[i], &set);
	for (uint32_t id = 0; id < n; id++) {
		dataplane_worker_load(d->dp, id, &load);
		workers[id] = load.tid;
		CPU_CLR(load.cpu, &set);
	}
	for (uint32_t i = 0; n == d->workers.n_cpus && i < n; i++)
		CPU_SET(d->workers.cpus[i], &set);
	machine_place_threads(&set, workers, n);
}

/* The workers run; now the queues. */
static int
use_workers(struct daemon *d, uint32_t n, struct errmsg *e)
{
	uint32_t was = d->workers.n;

	if (n == was)
		return 0;
	d->workers.n = n;
	d->workers.spread = true;
	if (publish(d) == 0)
		return 0;
	d->workers.n = was;
	d->workers.spread = false;
	return err_set(e, -ENOMEM, "out of memory");
}

static void
tell(struct daemon *d)
{
	json_t *cpus = json_array();

	for (uint32_t id = 0; id < d->workers.n; id++)
		json_array_append_new(cpus, json_integer(d->workers.worker_cpus[id]));
	log_notice("%u workers, rebalancing %s", d->workers.n,
		   d->settings.rebalance ? "on" : "off");
	daemon_event(d, "worker.changed", "workers",
		     json_pack("{s:i, s:o, s:s}", "workers", (int)d->workers.n, "cpus", cpus,
			       "rebalance", d->settings.rebalance ? "on" : "off"));
}

int
workers_set(struct daemon *d, const struct daemon_settings *s, struct errmsg *e)
{
	uint32_t cpus[MAX_WORKERS], before[MAX_WORKERS], was = d->workers.n, n;
	struct errmsg ignored;
	int err = check(d, s, s->workers, e);

	if (err != 0)
		return err;
	err = worker_cpus_choose(s, d->workers.cpus, d->workers.n_cpus, cpus, e);
	if (err < 0)
		return err;
	n = (uint32_t)err;
	memcpy(before, d->workers.worker_cpus, sizeof(before));
	err = start_from(d, was, n, cpus, e);
	if (err != 0)
		return err;
	err = move_workers(d, RTE_MIN(was, n), cpus, e);
	if (err == 0)
		err = use_workers(d, n, e);
	if (err != 0) {
		stop_from(d, was);
		move_workers(d, RTE_MIN(was, n), before, &ignored);
		return err;
	}
	stop_from(d, n);
	memcpy(d->workers.worker_cpus, cpus, n * sizeof(cpus[0]));
	d->settings.workers = s->workers;
	memcpy(d->settings.worker_cpus, s->worker_cpus, sizeof(d->settings.worker_cpus));
	d->settings.rebalance = s->rebalance;
	place_other_threads(d);
	tell(d);
	return 0;
}

uint32_t
workers_to_come(const struct daemon *d)
{
	return RTE_MIN(dataplane_max_workers(d->dp), (uint32_t)SPARE_TX_QUEUES);
}

void
workers_sample(const struct daemon *d, struct load_sample *sample)
{
	memset(sample, 0, sizeof(*sample));
	for (uint32_t w = 0; w < dataplane_max_workers(d->dp); w++)
		dataplane_worker_load(d->dp, w, &sample->workers[w]);
	for (uint16_t slot = 0; slot < QUEUE_SLOTS; slot++)
		if (d->workers.placed[slot] != NO_WORKER)
			dataplane_queue_load(d->dp, slot, &sample->queues[slot]);
	sample->tsc = rte_rdtsc();
}

void
workers_tick(struct daemon *d)
{
	d->workers.samples[1] = d->workers.samples[0];
	workers_sample(d, &d->workers.samples[0]);
	rebalance_tick(d);
}
