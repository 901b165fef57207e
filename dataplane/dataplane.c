/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * The dataplane as control sees it: makes the workers and their RCU, launches them, publishes
 * views, sums counters. All on the control thread; nothing here runs in a worker.
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

static struct worker *
make_worker(struct dataplane *dp, uint32_t id, unsigned int lcore)
{
	int socket = (int)rte_lcore_to_socket_id(lcore);
	struct worker *w = rte_zmalloc_socket("worker", sizeof(*w), RTE_CACHE_LINE_SIZE, socket);

	if (w == NULL)
		return NULL;
	w->dp = dp;
	w->id = id;
	w->lcore = lcore;
	return w;
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
	for (uint32_t i = 0; i < MAX_WORKERS && dp->may_sleep && err == 0; i++)
		err = wakeup_create(&dp->wakeups[i]);
	return err;
}

/* Before the view is published. */
static void
watch(struct dataplane *dp, const struct view *v)
{
	for (uint32_t i = 0; i < MAX_WORKERS && dp->may_sleep; i++)
		wakeup_watch(&dp->wakeups[i], &v->workers[i], dp->wake_fd, dp->wake_ctx);
}

static void
ring(const struct dataplane *dp)
{
	for (uint32_t i = 0; i < MAX_WORKERS && dp->may_sleep; i++)
		wakeup_ring(&dp->wakeups[i]);
}

/* When no worker has the former view. */
static void
settle(struct dataplane *dp)
{
	for (uint32_t i = 0; i < MAX_WORKERS && dp->may_sleep; i++)
		wakeup_settle(&dp->wakeups[i]);
}

static int
launch(struct dataplane *dp, const struct dataplane_config *config, struct errmsg *e)
{
	for (uint32_t i = 0; i < config->n_workers; i++) {
		unsigned int lcore = config->lcores[i];
		struct worker *w;
		int err;

		if (!rte_lcore_is_enabled(lcore) || lcore == rte_get_main_lcore())
			return err_set(e, -EINVAL, "worker %u: lcore %u cannot be used", i, lcore);
		w = make_worker(dp, i, lcore);
		if (w == NULL)
			return err_set(e, -ENOMEM, "worker %u: out of memory", i);
		dp->workers[i] = w;
		dp->n_workers = i + 1;
		err = rte_eal_remote_launch(worker_main, w, lcore);
		if (err != 0)
			return err_set(e, err, "worker %u: lcore %u is busy", i, lcore);
	}
	return 0;
}

int
dataplane_create(const struct dataplane_config *config, struct dataplane **out, struct errmsg *e)
{
	struct dataplane *dp = rte_zmalloc("dataplane", sizeof(*dp), RTE_CACHE_LINE_SIZE);
	struct view *v = NULL;
	int err;

	if (dp == NULL)
		return err_set(e, -ENOMEM, "out of memory for the dataplane");
	dp->pools = config->pools;
	dp->tsc_hz = rte_get_tsc_hz();
	err = make_wakeups(dp, config);
	if (err != 0) {
		dataplane_destroy(dp);
		return err_set(e, err, "the dataplane has no descriptors: %s", strerror(-err));
	}
	err = make_rcu(dp);
	if (err == 0)
		err = make_empty_view(&v);
	if (err != 0) {
		err_set(e, err, "out of memory for the dataplane");
		goto fail;
	}
	atomic_store_explicit(&dp->view, v, memory_order_release);
	err = launch(dp, config, e);
	if (err != 0)
		goto fail;
	*out = dp;
	return 0;
fail:
	dataplane_destroy(dp);
	return err;
}

void
dataplane_destroy(struct dataplane *dp)
{
	if (dp == NULL)
		return;
	atomic_store_explicit(&dp->stop, true, memory_order_relaxed);
	ring(dp);
	for (uint32_t i = 0; i < dp->n_workers; i++)
		rte_eal_wait_lcore(dp->workers[i]->lcore);
	for (uint32_t i = 0; i < dp->n_workers; i++)
		rte_free(dp->workers[i]);
	view_free(atomic_load_explicit(&dp->view, memory_order_relaxed));
	for (uint32_t i = 0; i < MAX_WORKERS && dp->may_sleep; i++)
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
	for (uint32_t i = 0; i < dp->n_workers; i++)
		counters_add(sum, &dp->workers[i]->ports[port]);
}

void
dataplane_uplink_counters(const struct dataplane *dp, uint16_t uplink, struct counters *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (uint32_t i = 0; i < dp->n_workers; i++)
		counters_add(sum, &dp->workers[i]->uplinks[uplink]);
}

void
dataplane_port_steering(const struct dataplane *dp, uint16_t port, struct steering *sum)
{
	*sum = (struct steering){0};
	for (uint32_t i = 0; i < dp->n_workers; i++) {
		const struct worker *w = dp->workers[i];

		sum->own_queue += __atomic_load_n(&w->own_queue[port], __ATOMIC_RELAXED);
		sum->looked_up += __atomic_load_n(&w->looked_up[port], __ATOMIC_RELAXED);
	}
}

void
dataplane_clear_port(struct dataplane *dp, uint16_t port)
{
	for (uint32_t i = 0; i < dp->n_workers; i++)
		memset(&dp->workers[i]->ports[port], 0, sizeof(struct counters));
}

void
dataplane_clear_uplink(struct dataplane *dp, uint16_t uplink)
{
	for (uint32_t i = 0; i < dp->n_workers; i++)
		memset(&dp->workers[i]->uplinks[uplink], 0, sizeof(struct counters));
}

uint32_t
dataplane_workers(const struct dataplane *dp)
{
	return dp->n_workers;
}

void
dataplane_worker_load(const struct dataplane *dp, uint32_t worker, struct worker_load *load)
{
	const struct worker *w = dp->workers[worker];

	load->lcore = w->lcore;
	load->busy_cycles = __atomic_load_n(&w->busy_cycles, __ATOMIC_RELAXED);
	load->idle_cycles = __atomic_load_n(&w->idle_cycles, __ATOMIC_RELAXED);
	load->packets = __atomic_load_n(&w->packets, __ATOMIC_RELAXED);
	load->sleeps = __atomic_load_n(&w->idle.sleeps, __ATOMIC_RELAXED);
	load->deaf = atomic_load_explicit(&dp->wakeups[worker].deaf, memory_order_relaxed);
}
