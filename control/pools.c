/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Makes, grows and assigns the pools of buffers for frames from guests. A pool cannot grow: a
 * larger one takes its place in the next view, and the former is freed when its last frame is back
 * (daemon_retire_pool). Called by publish.c and main.c on the control thread.
 */
#include "control/pools.h"

#include <errno.h>
#include <numa.h>
#include <rte_mbuf.h>

#include "control/daemon.h"
#include "control/log.h"
#include "control/offloads.h"

static int
worker_node(const struct daemon *d, uint32_t worker)
{
	struct worker_load load;

	dataplane_worker_load(d->dp, worker, &load);
	return load.numa_node; /* not its lcore's, which says nothing of its CPU */
}

/* What may wait in the transmit queues of one worker. */
static uint32_t
tx_descriptors(const struct daemon *d)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < MAX_UPLINKS; i++)
		if (d->uplinks[i] != NULL)
			n += d->uplinks[i]->nic.tx_descriptors;
	for (uint32_t i = 0; i < MAX_PORTS; i++)
		if (d->ports[i] != NULL && !port_is_vhost(d->ports[i]))
			n += d->ports[i]->nic.tx_descriptors;
	return n;
}

static void
gather(const struct daemon *d, struct pool_facts *facts)
{
	*facts = (struct pool_facts){.n_workers = dataplane_workers(d->dp),
				     .tx_descriptors = tx_descriptors(d)};
	for (uint32_t w = 0; w < facts->n_workers; w++)
		facts->worker_node[w] = worker_node(d, w);
	if (!d->hugepages)
		return; /* one heap for all: the kernel places a page by who touches it first */
	if (numa_available() >= 0)
		facts->distance = numa_distance;
	for (uint32_t i = 0; i < RTE_MIN(rte_socket_count(), (unsigned int)MAX_NUMA_NODES); i++)
		facts->nodes[facts->n_nodes++] = rte_socket_id_by_idx(i);
}

static struct rte_mempool *
make(struct daemon *d, int node, uint32_t mbufs)
{
	char name[RTE_MEMPOOL_NAMESIZE];
	struct rte_mempool *pool;

	snprintf(name, sizeof(name), "guests_%u", d->pools.serial++);
	pool = rte_pktmbuf_pool_create(name, mbufs, POOL_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, node);
	if (pool == NULL && node != SOCKET_ID_ANY) {
		log_warning("no memory for %u buffers on NUMA node %d: they are elsewhere", mbufs,
			    node);
		pool = rte_pktmbuf_pool_create(name, mbufs, POOL_CACHE, 0,
					       RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	}
	if (pool != NULL)
		offloads_guard_pool(pool);
	return pool;
}

/* The pool that served a node until now, out of *old. */
static struct rte_mempool *
take(struct pools *old, int node)
{
	for (uint32_t i = 0; i < old->plan.n; i++) {
		struct rte_mempool *pool = old->now[i];

		if (old->plan.pools[i].node != node)
			continue;
		old->now[i] = NULL;
		return pool;
	}
	return NULL;
}

static void
let_go(struct pools *p, struct rte_mempool *pool)
{
	for (uint32_t i = 0; i < MAX_NUMA_NODES && pool != NULL; i++) {
		if (p->former[i] != NULL)
			continue;
		p->former[i] = pool;
		return;
	}
}

/* Any pool is better than none: without memory for a larger one, what there is goes on. */
static int
fit(struct daemon *d, const struct pool_plan *plan)
{
	struct pools *p = &d->pools, old = *p;
	bool any = false;

	p->plan = *plan;
	for (uint32_t i = 0; i < plan->n; i++) {
		struct rte_mempool *now = take(&old, plan->pools[i].node), *larger = NULL;
		bool enough = now != NULL && now->size >= plan->pools[i].mbufs;

		if (!enough)
			larger = make(d, plan->pools[i].node, plan->pools[i].mbufs);
		if (!enough && larger == NULL && !p->short_of_memory)
			log_error("no memory for %u buffers%s: more hugepages, or more of -m in "
				  "`eal`",
				  plan->pools[i].mbufs, now != NULL ? "; fewer stay in use" : "");
		p->short_of_memory = !enough && larger == NULL;
		if (larger != NULL)
			let_go(p, now);
		p->now[i] = larger != NULL ? larger : now;
		any |= p->now[i] != NULL;
	}
	for (uint32_t i = 0; i < old.plan.n; i++)
		let_go(p, old.now[i]); /* of a node that has no worker any more */
	return any || plan->n == 0 ? 0 : -ENOMEM;
}

/* A worker's own, or that of another node. */
static struct rte_mempool *
pool_of(const struct pools *p, uint32_t worker)
{
	struct rte_mempool *pool = p->now[p->plan.of_worker[worker]];

	for (uint32_t i = 0; i < p->plan.n && pool == NULL; i++)
		pool = p->now[i];
	return pool;
}

/* Says it once a guest and worker. */
static void
note_node(struct port *p, int node)
{
	struct guest_facts facts;
	bool far;

	if (!port_is_vhost(p) || p->worker_node == node)
		return;
	p->worker_node = node;
	vhost_facts(p->guest.vid, &facts);
	far = numa_is_far(facts.numa_node, node);
	if (far)
		log_warning("port %s: the guest's memory is on NUMA node %d, its worker on node "
			    "%d: frames cross over",
			    p->settings.name, facts.numa_node, node);
	p->far = far;
}

int
pools_assign(struct daemon *d, struct view_spec *spec)
{
	const struct view_poll *poll = spec->polls;
	struct pool_facts facts;
	struct pool_plan plan;
	int err;

	gather(d, &facts);
	pool_plan_make(&facts, &plan);
	err = fit(d, &plan);
	for (uint32_t w = 0; w < facts.n_workers && err == 0; w++) {
		for (uint32_t i = 0; i < spec->n_polls[w]; i++, poll++) {
			if (poll->from_wire || poll->queue != 0)
				continue; /* a port has one pool, so its first worker decides */
			spec->ports[poll->index].endpoint.pool = pool_of(&d->pools, w);
			note_node(d->ports[poll->index], facts.worker_node[w]);
		}
	}
	return err;
}

void
pools_settle(struct daemon *d)
{
	for (uint32_t i = 0; i < MAX_NUMA_NODES; i++) {
		daemon_retire_pool(d, d->pools.former[i]);
		d->pools.former[i] = NULL;
	}
}

void
pools_free(struct daemon *d)
{
	for (uint32_t i = 0; i < MAX_NUMA_NODES; i++) {
		rte_mempool_free(d->pools.now[i]);
		rte_mempool_free(d->pools.former[i]);
	}
}
