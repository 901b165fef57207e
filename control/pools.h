/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <jansson.h>

#include "control/pool_plan.h"

/*
 * The pools of buffers for frames from guests, one for each NUMA node with workers, as large as the
 * devices and workers that there are make necessary. Control thread; publish.c calls the first two
 * around each publication.
 */
struct daemon;
struct rte_mempool;
struct view_spec;

struct pools {
	struct pool_plan plan;
	struct rte_mempool *now[MAX_NUMA_NODES];    /* as plan.pools */
	struct rte_mempool *former[MAX_NUMA_NODES]; /* of the view before; NULL: none */
	uint32_t serial;                            /* pools have names of their own */
	bool short_of_memory;                       /* said already */
};

/*
 * Makes pools larger where what there is now needs it, and gives each port of spec, whose polls are
 * complete, the one of the worker that polls it. Notes guests whose memory is on another node than
 * their worker. 0; -ENOMEM: there is no pool at all. Where there is only no larger one, the present
 * one stays: when it is empty, frames wait in their guests' rings.
 */
int pools_assign(struct daemon *d, struct view_spec *spec);

/* The view with the pools of the last pools_assign is published. */
void pools_settle(struct daemon *d);

/* When the dataplane is gone. */
void pools_free(struct daemon *d);

/* What `memory show` prints. */
json_t *show_memory(const struct daemon *d);
