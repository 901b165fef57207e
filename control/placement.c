/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Plans which worker polls which queue: by count when queues and workers come and go, by measured
 * cycles when rebalancing. Pure; called by poll_plan.c and rebalance.c on the control thread, and
 * by the unit test.
 */
#include "control/placement.h"

#include <stdlib.h>
#include <string.h>

#include "config/settings.h"

/* How many queues each worker has. */
struct counts {
	uint32_t of_class[MAX_WORKERS][QUEUE_CLASSES];
	uint32_t all[MAX_WORKERS];
};

static bool
may_have(const struct placed_queue *q, uint32_t worker, uint32_t workers)
{
	return worker < workers && (q->allowed >> worker & 1) != 0;
}

static bool
is_pinned(const struct placed_queue *q, uint32_t workers)
{
	return may_have(q, q->pinned, workers);
}

static void
count(struct counts *c, const struct placed_queue *q, int by)
{
	c->of_class[q->worker][q->class] += (uint32_t)by;
	c->all[q->worker] += (uint32_t)by;
}

/* Of the workers that may have q, the one with the fewest of its class, then of all. */
static uint8_t
emptiest(const struct counts *c, const struct placed_queue *q, uint32_t workers)
{
	uint8_t best = NO_WORKER;

	for (uint8_t w = 0; w < workers; w++) {
		if (!may_have(q, w, workers))
			continue;
		if (best == NO_WORKER || c->of_class[w][q->class] < c->of_class[best][q->class] ||
		    (c->of_class[w][q->class] == c->of_class[best][q->class] &&
		     c->all[w] < c->all[best]))
			best = w;
	}
	return best;
}

void
placement_fill(struct placed_queue *queues, uint32_t n, uint32_t workers)
{
	struct counts c = {0};

	for (uint32_t i = 0; i < n; i++) {
		struct placed_queue *q = &queues[i];

		if (is_pinned(q, workers))
			q->worker = q->pinned;
		else if (!may_have(q, q->worker, workers))
			q->worker = NO_WORKER;
		if (q->worker != NO_WORKER)
			count(&c, q, 1);
	}
	for (uint32_t i = 0; i < n; i++) {
		if (queues[i].worker != NO_WORKER)
			continue;
		queues[i].worker = emptiest(&c, &queues[i], workers);
		count(&c, &queues[i], 1);
	}
}

/* One step towards the balance of counts. Each makes the sum of squares of the classes' counts
 * smaller, or leaves it and makes that of all counts smaller, so the steps come to an end. */
static bool
spread_one(struct counts *c, struct placed_queue *q, uint32_t workers)
{
	uint8_t to = emptiest(c, q, workers), from = q->worker;
	uint32_t mine = c->of_class[from][q->class], theirs = c->of_class[to][q->class];

	if (is_pinned(q, workers) || to == from)
		return false;
	if (mine < theirs + 2 && !(mine == theirs + 1 && c->all[from] >= c->all[to] + 2))
		return false;
	count(c, q, -1);
	q->worker = to;
	count(c, q, 1);
	return true;
}

void
placement_spread(struct placed_queue *queues, uint32_t n, uint32_t workers)
{
	struct counts c = {0};
	bool moved = true;

	placement_fill(queues, n, workers);
	for (uint32_t i = 0; i < n; i++)
		count(&c, &queues[i], 1);
	while (moved) {
		moved = false;
		/* From the end: ports' queues move before a NIC's. */
		for (uint32_t i = n; i > 0; i--)
			moved |= spread_one(&c, &queues[i - 1], workers);
	}
}

static uint64_t
busiest(const uint64_t load[MAX_WORKERS], uint32_t workers)
{
	uint64_t max = 0;

	for (uint32_t w = 0; w < workers; w++)
		max = load[w] > max ? load[w] : max;
	return max;
}

/* The least loaded worker that may have q; its present one, if that has not much more. */
static uint8_t
idlest(const uint64_t load[MAX_WORKERS], const struct placed_queue *q, uint32_t workers,
       uint64_t not_much)
{
	uint8_t best = q->worker;

	for (uint8_t w = 0; w < workers; w++)
		if (may_have(q, w, workers) && load[w] < load[best])
			best = w;
	return load[q->worker] <= load[best] + not_much ? q->worker : best;
}

static int
more_cycles_first(const void *a, const void *b)
{
	const struct placed_queue *const *p = a, *const *q = b;

	if ((*p)->cycles != (*q)->cycles)
		return (*p)->cycles < (*q)->cycles ? 1 : -1;
	return *p < *q ? -1 : *p > *q; /* as they stand in the list: always the same plan */
}

/* sorted: room for n. plan: by place in queues, the worker. */
static void
plan_by_load(struct placed_queue *queues, uint32_t n, uint32_t workers, uint64_t period,
	     const struct placed_queue **sorted, uint8_t *plan, uint64_t load[MAX_WORKERS])
{
	uint32_t m = 0;

	for (uint32_t i = 0; i < n; i++) {
		plan[i] = queues[i].worker;
		/* What costs nothing has no reason to move. */
		if (is_pinned(&queues[i], workers) || queues[i].cycles == 0)
			load[queues[i].worker] += queues[i].cycles;
		else
			sorted[m++] = &queues[i];
	}
	qsort(sorted, m, sizeof(*sorted), more_cycles_first);
	for (uint32_t i = 0; i < m; i++) {
		uint8_t w = idlest(load, sorted[i], workers, period / 50);

		plan[sorted[i] - queues] = w;
		load[w] += sorted[i]->cycles;
	}
}

bool
placement_balance(struct placed_queue *queues, uint32_t n, uint32_t workers, uint64_t period,
		  struct balance_limits limits, struct balance_outcome *outcome)
{
	uint64_t now[MAX_WORKERS] = {0}, then[MAX_WORKERS] = {0}, before, after;
	const struct placed_queue **sorted = calloc(n, sizeof(struct placed_queue *));
	uint8_t *plan = calloc(n, sizeof(*plan));
	bool worth = false;

	*outcome = (struct balance_outcome){0};
	if (sorted == NULL || plan == NULL || period == 0)
		goto out;
	for (uint32_t i = 0; i < n; i++)
		now[queues[i].worker] += queues[i].cycles;
	plan_by_load(queues, n, workers, period, sorted, plan, then);
	before = busiest(now, workers);
	after = busiest(then, workers);
	outcome->before = (uint32_t)(before * 100 / period);
	outcome->after = (uint32_t)(after * 100 / period);
	worth = before * 100 >= period * limits.load && after * 100 <= before * (100 - limits.gain);
	for (uint32_t i = 0; worth && i < n; i++) {
		outcome->moves += plan[i] != queues[i].worker;
		queues[i].worker = plan[i];
	}
out:
	free(plan);
	free(sorted);
	return worth;
}
