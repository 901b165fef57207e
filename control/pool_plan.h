/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config/settings.h"

/*
 * How many buffers there must be, and on which NUMA nodes: pure functions of what there is.
 *
 * Buffers for frames from guests do not grow with ports: rte_vhost copies a frame out of a guest's
 * ring when the worker asks for it, and into another's before the worker goes on. So they are on
 * their way only in a worker's burst, in its cache, and in the transmit rings of devices. Small
 * pools are also faster: what a worker reuses is still in its CPU's cache.
 */
#define POOL_CACHE 256     /* a worker keeps up to 1.5 times as many for itself */
#define POOL_ANY_NODE (-1) /* memory is not kept by node, as without hugepages */
#define MAX_NUMA_NODES 16

struct pool_facts {
	uint32_t n_workers;
	int worker_node[MAX_WORKERS];
	uint32_t tx_descriptors; /* of one worker: those of its transmit queues of all devices */
	uint32_t n_nodes;        /* that have memory; 0: memory is not kept by node */
	int nodes[MAX_NUMA_NODES];
	int (*distance)(int from, int to); /* as numa_distance(): less is nearer, 0: unknown */
};

struct pool_plan {
	uint32_t n;
	struct {
		int node;
		uint32_t mbufs;
	} pools[MAX_NUMA_NODES];
	uint32_t of_worker[MAX_WORKERS]; /* which of the pools a worker takes from */
};

/* One pool on each node that workers run on, or on the nearest that has memory. */
void pool_plan_make(const struct pool_facts *facts, struct pool_plan *plan);

/* Receive buffers of a device. */
struct pool_nic_facts {
	uint32_t rx_descriptors; /* of all its receive queues */
	uint32_t
		tx_descriptors; /* of all its transmit queues: with hairpin its frames wait there */
	uint32_t n_workers;
};
uint32_t pool_nic_mbufs(const struct pool_nic_facts *facts);

/* Does a worker reach over to another node for a guest's memory? Unknown nodes are negative. */
bool numa_is_far(int guest_node, int worker_node);
