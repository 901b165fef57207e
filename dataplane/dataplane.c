/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * The dataplane as control sees it: makes the workers and their RCU, starts and stops them,
 * publishes views, sums counters. All on the control thread, except run(), with which a worker
 * begins.
 */
#include "dataplane/dataplane.h"

#include <errno.h>
#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/worker.h"

static int
make_empty_view(struct view **v)
{
	struct view_spec *spec = calloc(1, sizeof(*spec));
	int err;

	if (spec == NULL)
		return -ENOMEM;
	spec->generation = 1; /* a worker starts with 0: it adopts this one */
	err = view_build(spec, v);
	free(spec);
	return err;
}

static int
make_rcu(struct dataplane *dp)
{
	size_t size = rte_rcu_qsbr_get_memsize(MAX_WORKERS);

	dp->qsbr = rte_zmalloc("qsbr", size, RTE_CACHE_LINE_SIZE);
	if (dp->qsbr == NULL)
		return -ENOMEM;
	return rte_rcu_qsbr_init(dp->qsbr, MAX_WORKERS) == 0 ? 0 : -ENOMEM;
}

static int
make_wakeups(struct dataplane *dp, const struct dataplane_config *config)
{
	int err = 0;

	dp->may_sleep = config->may_sleep;
	dp->patience = dp->tsc_hz / 1000000 * config->idle_after_us;
	dp->idle_step_us = config->idle_step_us;
	dp->wake_fd = config->wake_fd;
	dp->wake_ctx = config->wake_ctx;
	for (uint32_t i = 0; i < dp->n_lcores && dp->may_sleep && err == 0; i++)
		err = wakeup_create(&dp->wakeups[i]);
	return err;
}

/* Before the view is published. */
static void
watch(struct dataplane *dp, const struct view *v)
{
	for (uint32_t i = 0; i < dp->n_lcores && dp->may_sleep; i++)
		wakeup_watch(&dp->wakeups[i], &v->workers[i], dp->wake_fd, dp->wake_ctx);
}

static void
ring(const struct dataplane *dp)
{
	for (uint32_t i = 0; i < dp->n_lcores && dp->may_sleep; i++)
		wakeup_ring(&dp->wakeups[i]);
}

/* When no worker has the former view. */
static void
settle(struct dataplane *dp)
{
	for (uint32_t i = 0; i < dp->n_lcores && dp->may_sleep; i++)
		wakeup_settle(&dp->wakeups[i]);
}

/* On the lcore: its CPU, then the polling loop. */
static int
run(void *arg)
{
	struct worker *w = arg;
	rte_cpuset_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(w->cpu, &cpu);
	if (rte_thread_set_affinity(&cpu) != 0) {
		atomic_store_explicit(&w->started, -EINVAL, memory_order_release);
		return 0;
	}
	w->tid = rte_sys_gettid();
	atomic_store_explicit(&w->started, 1, memory_order_release);
	return worker_main(w);
}

/* Memory for worker id on its node; one that ran elsewhere before takes along what it counted. */
static struct worker *
make_worker(struct dataplane *dp, uint32_t id, int numa_node)
{
	struct worker *old = dp->workers[id], *w;

	if (old != NULL && old->numa_node == numa_node)
		return old;
	w = rte_zmalloc_socket("worker", sizeof(*w), RTE_CACHE_LINE_SIZE, numa_node);
	if (w == NULL)
		w = rte_zmalloc("worker", sizeof(*w), RTE_CACHE_LINE_SIZE);
	if (w == NULL)
		return old;
	if (old != NULL)
		*w = *old;
	rte_free(old);
	w->dp = dp;
	w->id = id;
	w->lcore = dp->lcores[id];
	w->numa_node = numa_node;
	dp->workers[id] = w;
	return w;
}

int
dataplane_start_worker(struct dataplane *dp, uint32_t id, uint32_t cpu, int numa_node,
		       struct errmsg *e)
{
	struct worker *w;
	int err;

	if (id >= dp->n_lcores)
		return err_set(e, -ENOSPC, "worker %u: there is room for %u workers", id,
			       dp->n_lcores);
	w = make_worker(dp, id, numa_node);
	if (w == NULL)
		return err_set(e, -ENOMEM, "worker %u: out of memory", id);
	w->cpu = cpu;
	w->generation = 0; /* it adopts the view that there is now */
	atomic_store_explicit(&w->stop, false, memory_order_relaxed);
	atomic_store_explicit(&w->started, 0, memory_order_relaxed);
	err = rte_eal_remote_launch(run, w, w->lcore);
	if (err != 0)
		return err_set(e, err, "worker %u: lcore %u is busy", id, w->lcore);
	while ((err = atomic_load_explicit(&w->started, memory_order_acquire)) == 0)
		rte_delay_us_sleep(10);
	if (err > 0) {
		dp->n_workers = RTE_MAX(dp->n_workers, id + 1);
		return 0;
	}
	rte_eal_wait_lcore(w->lcore);
	return err_set(e, err, "worker %u: the system does not let it run on CPU %u", id, cpu);
}

static void
stop(struct worker *w)
{
	atomic_store_explicit(&w->stop, true, memory_order_relaxed);
	if (w->dp->may_sleep)
		wakeup_ring(&w->dp->wakeups[w->id]);
	rte_eal_wait_lcore(w->lcore);
}

void
dataplane_stop_worker(struct dataplane *dp, uint32_t id)
{
	stop(dp->workers[id]);
	if (id + 1 == dp->n_workers)
		dp->n_workers = id;
}

int
dataplane_create(const struct dataplane_config *config, struct dataplane **out, struct errmsg *e)
{
	struct dataplane *dp = rte_zmalloc("dataplane", sizeof(*dp), RTE_CACHE_LINE_SIZE);
	struct view *v = NULL;
	unsigned int lcore;
	int err;

	if (dp == NULL)
		return err_set(e, -ENOMEM, "out of memory for the dataplane");
	dp->pools = config->pools;
	dp->tsc_hz = rte_get_tsc_hz();
	RTE_LCORE_FOREACH_WORKER (lcore)
		if (dp->n_lcores < MAX_WORKERS)
			dp->lcores[dp->n_lcores++] = lcore;
	err = make_wakeups(dp, config);
	if (err != 0) {
		dataplane_destroy(dp);
		return err_set(e, err, "the dataplane has no descriptors: %s", strerror(-err));
	}
	err = make_rcu(dp);
	if (err == 0)
		err = make_empty_view(&v);
	if (err != 0) {
		dataplane_destroy(dp);
		return err_set(e, err, "out of memory for the dataplane");
	}
	atomic_store_explicit(&dp->view, v, memory_order_release);
	*out = dp;
	return 0;
}

void
dataplane_destroy(struct dataplane *dp)
{
	if (dp == NULL)
		return;
	for (uint32_t i = 0; i < dp->n_workers; i++)
		stop(dp->workers[i]);
	for (uint32_t i = 0; i < MAX_WORKERS; i++)
		rte_free(dp->workers[i]);
	view_free(atomic_load_explicit(&dp->view, memory_order_relaxed));
	for (uint32_t i = 0; i < dp->n_lcores && dp->may_sleep; i++)
		wakeup_destroy(&dp->wakeups[i]);
	rte_free(dp->qsbr);
	rte_free(dp);
}

void
dataplane_publish(struct dataplane *dp, struct view *v)
{
	struct view *old;

	watch(dp, v);
	old = atomic_exchange_explicit(&dp->view, v, memory_order_acq_rel);
	ring(dp);
	/* Control holds no view across calls, so it is no reader itself. */
	rte_rcu_qsbr_synchronize(dp->qsbr, RTE_QSBR_THRID_INVALID);
	settle(dp);
	view_free(old);
}

const struct view *
dataplane_view(const struct dataplane *dp)
{
	return atomic_load_explicit(&dp->view, memory_order_relaxed);
}

void
dataplane_port_counters(const struct dataplane *dp, uint16_t port, struct counters *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (uint32_t i = 0; i < MAX_WORKERS; i++)
		if (dp->workers[i] != NULL)
			counters_add(sum, &dp->workers[i]->ports[port]);
}

void
dataplane_uplink_counters(const struct dataplane *dp, uint16_t uplink, struct counters *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (uint32_t i = 0; i < MAX_WORKERS; i++)
		if (dp->workers[i] != NULL)
			counters_add(sum, &dp->workers[i]->uplinks[uplink]);
}

void
dataplane_port_steering(const struct dataplane *dp, uint16_t port, struct steering *sum)
{
	*sum = (struct steering){0};
	for (uint32_t i = 0; i < MAX_WORKERS; i++) {
		const struct worker *w = dp->workers[i];

		if (w == NULL)
			continue;
		sum->own_queue += __atomic_load_n(&w->own_queue[port], __ATOMIC_RELAXED);
		sum->looked_up += __atomic_load_n(&w->looked_up[port], __ATOMIC_RELAXED);
	}
}

void
dataplane_queue_load(const struct dataplane *dp, uint16_t slot, struct queue_load *sum)
{
	*sum = (struct queue_load){0};
	for (uint32_t i = 0; i < MAX_WORKERS; i++) {
		const struct worker *w = dp->workers[i];

		if (w == NULL)
			continue;
		sum->cycles += __atomic_load_n(&w->queues[slot].cycles, __ATOMIC_RELAXED);
		sum->packets += __atomic_load_n(&w->queues[slot].packets, __ATOMIC_RELAXED);
	}
}

void
dataplane_clear_port(struct dataplane *dp, uint16_t port)
{
	for (uint32_t i = 0; i < MAX_WORKERS; i++) {
		struct worker *w = dp->workers[i];

		if (w == NULL)
			continue;
		memset(&w->ports[port], 0, sizeof(struct counters));
		memset(&w->queues[view_queue_slot(false, port, 0)], 0,
		       MAX_QUEUE_PAIRS * sizeof(struct queue_load));
	}
}

void
dataplane_clear_uplink(struct dataplane *dp, uint16_t uplink)
{
	for (uint32_t i = 0; i < MAX_WORKERS; i++) {
		struct worker *w = dp->workers[i];

		if (w == NULL)
			continue;
		memset(&w->uplinks[uplink], 0, sizeof(struct counters));
		memset(&w->queues[view_queue_slot(true, uplink, 0)], 0,
		       MAX_NIC_QUEUES * sizeof(struct queue_load));
	}
}

uint32_t
dataplane_workers(const struct dataplane *dp)
{
	return dp->n_workers;
}

uint32_t
dataplane_max_workers(const struct dataplane *dp)
{
	return dp->n_lcores;
}

void
dataplane_worker_load(const struct dataplane *dp, uint32_t worker, struct worker_load *load)
{
	const struct worker *w = dp->workers[worker];

	*load = (struct worker_load){0};
	if (w == NULL)
		return;
	load->lcore = w->lcore;
	load->cpu = w->cpu;
	load->numa_node = w->numa_node;
	load->tid = w->tid;
	load->busy_cycles = __atomic_load_n(&w->busy_cycles, __ATOMIC_RELAXED);
	load->idle_cycles = __atomic_load_n(&w->idle_cycles, __ATOMIC_RELAXED);
	load->packets = __atomic_load_n(&w->packets, __ATOMIC_RELAXED);
	load->sleeps = __atomic_load_n(&w->idle.sleeps, __ATOMIC_RELAXED);
	load->deaf = atomic_load_explicit(&dp->wakeups[worker].deaf, memory_order_relaxed);
}
