/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Sizes and places of buffer pools. Called by pools.c and nic_start.c on the control thread. Pure:
 * needs neither DPDK nor libnuma, so that tests can invent machines.
 */
#include "control/pool_plan.h"

#include <limits.h>
#include <stddef.h>

#define WORKER_BURST 32    /* frames that a worker has in hand */
#define BUFFERS_A_FRAME 33 /* 64 KiB, the largest that a guest may send, in buffers of 2 KiB */
#define NIC_SPARE 512      /* what a driver may hold back beyond its rings */
#define CACHED (POOL_CACHE + POOL_CACHE / 2)

/* The node itself comes first, unknown distances last. */
static int
distance(const struct pool_facts *f, int from, int to)
{
	int d = 0;

	if (from == to)
		return 0;
	if (f->distance != NULL)
		d = f->distance(from, to);
	return d > 0 ? d : INT_MAX;
}

static int
nearest(const struct pool_facts *f, int node)
{
	int best = f->nodes[0];

	for (uint32_t i = 1; i < f->n_nodes; i++)
		if (distance(f, node, f->nodes[i]) < distance(f, node, best))
			best = f->nodes[i];
	return best;
}

static uint32_t
pool_on(struct pool_plan *plan, int node)
{
	uint32_t i = 0;

	while (i < plan->n && plan->pools[i].node != node)
		i++;
	if (i == plan->n) {
		plan->pools[i].node = node;
		plan->pools[i].mbufs = 0;
		plan->n++;
	}
	return i;
}

void
pool_plan_make(const struct pool_facts *f, struct pool_plan *plan)
{
	*plan = (struct pool_plan){0};
	for (uint32_t w = 0; w < f->n_workers; w++) {
		int node = f->n_nodes == 0 ? POOL_ANY_NODE : nearest(f, f->worker_node[w]);
		uint32_t i = pool_on(plan, node);

		plan->of_worker[w] = i;
		plan->pools[i].mbufs += f->tx_descriptors + WORKER_BURST * BUFFERS_A_FRAME + CACHED;
	}
}

uint32_t
pool_nic_mbufs(const struct pool_nic_facts *f)
{
	return f->rx_descriptors + f->tx_descriptors + f->n_workers * (WORKER_BURST + CACHED) +
	       NIC_SPARE;
}

bool
numa_is_far(int guest_node, int worker_node)
{
	return guest_node >= 0 && worker_node >= 0 && guest_node != worker_node;
}
