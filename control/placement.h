/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Which worker polls which queue, as a plan: pure functions on plain data, without DPDK and without
 * the daemon. control/poll_plan.c makes the list and puts the outcome into force.
 */
#define NO_WORKER UINT8_MAX

/* From which load of the busiest worker on something is done, and by how much that must fall, in
 * percent. docs/operations.md has the reasons. */
struct balance_limits {
	uint32_t load, gain;
};
#define BALANCE_LIMITS ((struct balance_limits){.load = 80, .gain = 25})

/* A NIC's queues and ports' queues are spread each for themselves, then all together. */
enum queue_class { QUEUE_WIRE, QUEUE_PORT, QUEUE_CLASSES };

struct placed_queue {
	enum queue_class class;
	uint32_t allowed; /* workers that may have it, a bit each; never none */
	uint8_t pinned;   /* worker that the user chose, or NO_WORKER */
	uint8_t worker;   /* in: that has it, or NO_WORKER; out: that shall have it */
	uint64_t cycles;  /* what its frames cost in the period measured; for placement_balance */
};

/* Pins take effect; queues without a worker, or with one that may not have them, get the one with
 * the fewest. All others stay where they are. */
void placement_fill(struct placed_queue *queues, uint32_t n, uint32_t workers);

/* After the number of workers changed: moves queues until each worker has as many as any other, or
 * one fewer; no more moves than that takes. */
void placement_spread(struct placed_queue *queues, uint32_t n, uint32_t workers);

/* Load of the busiest worker, before and after, in percent of the period. */
struct balance_outcome {
	uint32_t before, after;
	uint32_t moves;
};

/*
 * By measured load, the most expensive queue first to the least loaded worker; pinned queues stay.
 * period: TSC cycles in which queues' cycles were measured. true: worth it by the limits, and
 * queues say how; false: they are unchanged.
 */
bool placement_balance(struct placed_queue *queues, uint32_t n, uint32_t workers, uint64_t period,
		       struct balance_limits limits, struct balance_outcome *outcome);
