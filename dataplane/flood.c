/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * The budget for flooded copies; see flood.h. A leaky bucket in cycles for each source: it is kept
 * as the time until which the source has used up its share. Called by the worker whose burst it is,
 * and only for bursts with flooded frames.
 */
#include "dataplane/flood.h"

#include <rte_cycles.h>

/* How long after a unicast frame floods are held to their share. */
#define UNICAST_MEMORY_US 10000
#define FLOOD_BURST_US 5000 /* of worker time that a source may flood beyond its share */
/* After a burst with floods a guest's queue is left alone for so many times what it took: others
 * have six sevenths of the time also before its share is used up. */
#define FLOOD_PAUSE 6
/* How long a guest's queue is left alone after a refusal: to take frames only to drop them costs
 * the others as well, and who finds its ring full may slow down. */
#define FLOOD_HOLD_US 50
#define FLOOD_COPIES 64 /* copies that one look at a guest's queue should lead to */

static bool
has_unicast(const struct worker *w)
{
	return w->now - w->unicast_at < w->dp->tsc_hz / 1000000 * UNICAST_MEMORY_US;
}

/* How much of its share a source uses up by a cycle of flooding. */
static uint64_t
price(const struct worker *w, const struct poll_state *source)
{
	const struct view *v = w->current;
	uint16_t uplink =
		source->poll.from_wire ? source->poll.index : v->ports[source->poll.index].uplink;

	return 100 / RTE_MAX(v->uplinks[uplink].flood_share, 1U);
}

bool
flood_admit(struct worker *w, const struct poll_state *source, uint16_t n, uint32_t copies)
{
	uint64_t burst = w->dp->tsc_hz / 1000000 * FLOOD_BURST_US * price(w, source);

	w->flood.seen = true;
	if (!has_unicast(w))
		return true;
	if (source->flooded_until > w->now + burst) {
		w->flood.refused = true;
		return false;
	}
	if (w->flood.frames == 0)
		w->flood.started = rte_rdtsc();
	w->flood.frames += n;
	w->flood.copies += n * copies;
	return true;
}

/* How many frames to take at a time, so that they lead to FLOOD_COPIES or so. */
static uint16_t
burst_for(const struct flood_account *account)
{
	uint32_t n = FLOOD_COPIES * account->frames / account->copies;

	return n >= BURST ? BURST : n == 0 ? 1 : (uint16_t)n;
}

void
flood_settle(struct worker *w, struct poll_state *source)
{
	struct flood_account *account = &w->flood;

	if (account->frames > 0) {
		uint64_t now = rte_rdtsc(), spent = now - account->started;

		source->flooded_until =
			RTE_MAX(source->flooded_until, w->now) + spent * price(w, source);
		/* What stays in a guest's ring is not lost, and others come in between. The wire's
		 * queue has everybody's frames. */
		if (!source->poll.from_wire) {
			source->burst = burst_for(account);
			source->held_until = w->now + spent * FLOOD_PAUSE;
		}
	} else if (!account->seen || !has_unicast(w)) {
		source->burst = BURST;
	}
	if (account->refused && !source->poll.from_wire) {
		source->burst = BURST;
		source->held_until = w->now + w->dp->tsc_hz / 1000000 * FLOOD_HOLD_US;
	}
	*account = (struct flood_account){0};
}
