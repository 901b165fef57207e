/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Moves queues from busy workers to others, where the user asked for that: measures for a period,
 * lets placement.c plan, and publishes what is worth it. Called by workers.c once a second, on the
 * control thread.
 */
#include <rte_cycles.h>
#include <stdlib.h>

#include "control/daemon.h"
#include "control/log.h"
#include "control/poll_plan.h"
#include "control/publish.h"

#define PERIOD_SECONDS 5 /* of measuring */
#define REST_SECONDS 10  /* after a move, before measuring begins again */

/* What each queue cost since the period began. */
static void
measure(const struct daemon *d, const struct load_sample *now, struct poll_plan *plan)
{
	const struct load_sample *from = &d->workers.balance_from;

	poll_plan_list(d, plan);
	placement_fill(plan->queues, plan->n, d->workers.n);
	for (uint32_t i = 0; i < plan->n; i++) {
		uint16_t slot = view_poll_slot(&plan->polls[i]);

		/* Less than then: the slot was cleared, another port has it now. */
		if (now->queues[slot].cycles >= from->queues[slot].cycles)
			plan->queues[i].cycles =
				now->queues[slot].cycles - from->queues[slot].cycles;
	}
}

static void
tell(struct daemon *d, const struct poll_plan *plan, const uint8_t *former,
     const struct balance_outcome *outcome)
{
	log_notice("rebalance: %u queues move; the busiest worker's load goes from %u to %u %%",
		   outcome->moves, outcome->before, outcome->after);
	for (uint32_t i = 0; i < plan->n; i++) {
		const struct view_poll *p = &plan->polls[i];
		const char *name = p->from_wire ? d->uplinks[p->index]->settings.name
						: d->ports[p->index]->settings.name;

		if (plan->queues[i].worker == former[i])
			continue;
		log_notice("rebalance: %s %s queue %u: worker %u -> %u",
			   p->from_wire ? "uplink" : "port", name, p->queue, former[i],
			   plan->queues[i].worker);
		daemon_event(d, "worker.rebalanced", name,
			     json_pack("{s:s, s:i, s:i, s:i, s:i, s:i}", "kind",
				       p->from_wire ? "uplink" : "port", "queue", (int)p->queue,
				       "from", (int)former[i], "to", (int)plan->queues[i].worker,
				       "load_before", (int)outcome->before, "load_after",
				       (int)outcome->after));
	}
}

/* true: queues moved. */
static bool
rebalance(struct daemon *d, const struct load_sample *now, struct poll_plan *plan)
{
	uint64_t period = now->tsc - d->workers.balance_from.tsc;
	uint8_t former[QUEUE_SLOTS];
	struct balance_outcome outcome;

	measure(d, now, plan);
	for (uint32_t i = 0; i < plan->n; i++)
		former[i] = plan->queues[i].worker;
	if (!placement_balance(plan->queues, plan->n, d->workers.n, period, BALANCE_LIMITS,
			       &outcome))
		return false;
	for (uint32_t i = 0; i < plan->n; i++)
		d->workers.placed[view_poll_slot(&plan->polls[i])] = plan->queues[i].worker;
	if (publish(d) != 0) {
		log_error("rebalance: out of memory");
		for (uint32_t i = 0; i < plan->n; i++)
			d->workers.placed[view_poll_slot(&plan->polls[i])] = former[i];
		return false;
	}
	tell(d, plan, former, &outcome);
	return true;
}

void
rebalance_tick(struct daemon *d)
{
	struct workers *w = &d->workers;
	const struct load_sample *now = &w->samples[0];
	struct poll_plan *plan;

	if (!d->settings.rebalance || w->n < 2) {
		w->balance_from.tsc = 0;
		w->balance_rest = 0;
		return;
	}
	if (w->balance_rest > 0) {
		w->balance_rest--;
		return;
	}
	if (w->balance_from.tsc != 0 &&
	    now->tsc - w->balance_from.tsc < (PERIOD_SECONDS * 2 - 1) * rte_get_tsc_hz() / 2)
		return;
	plan = w->balance_from.tsc == 0 ? NULL : calloc(1, sizeof(*plan));
	if (plan != NULL && rebalance(d, now, plan)) {
		w->balance_rest = REST_SECONDS;
		w->balance_from.tsc = 0;
	} else {
		w->balance_from = *now;
	}
	free(plan);
}
