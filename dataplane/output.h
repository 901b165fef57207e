/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "dataplane/worker.h"

/*
 * The way out of a burst: a burst with one verdict goes to its receivers as it came; the parts of a
 * mixed one are batched by receiver, and sent when the burst is done. Called by the worker whose
 * burst it is.
 *
 * Who frees: a guest copies frames, so they stay with us, and are freed when the burst is done; a
 * device takes them over.
 */

/* A burst on its way out. */
struct output {
	struct poll_state *source;
	uint16_t uplink;         /* where the wire is */
	bool split;              /* it has parts: output_flush is due */
	uint32_t taken;          /* frames that devices take over, a bit each */
	struct counters *origin; /* of where the frames came in */
	struct rte_mbuf **pkts;
};

/* Frames that follow each other in it and have one verdict. */
struct output_run {
	uint16_t first;
	uint16_t n;
	uint32_t bytes;
};

_Static_assert(BURST <= 32, "struct output has a bit for each frame");

/* Sends a burst that is one run, as the verdict says, or frees it and counts why. */
void output_whole(struct worker *w, const struct output *out, const struct output_run *run,
		  struct verdict verdict, const struct portset *receivers);

/* The same for a part of a burst that is no unicast to a port; see output_part. */
void output_odd_part(struct worker *w, struct output *out, const struct output_run *run,
		     struct verdict verdict, const struct portset *receivers);

/* Sends the batches of a split burst of n frames, and frees what nobody takes. */
void output_flush(struct worker *w, const struct output *out, uint16_t n);

static __rte_always_inline void
output_batch(struct batch *b, const struct output *out, const struct output_run *run)
{
	for (uint16_t i = 0; i < run->n; i++)
		b->pkts[b->n++] = out->pkts[run->first + i];
	b->bytes += run->bytes;
}

static __rte_always_inline void
output_batch_port(struct worker *w, uint16_t port, const struct output *out,
		  const struct output_run *run)
{
	struct batch *b = &w->to_port[port];

	if (b->n == 0)
		w->touched[w->n_touched++] = port;
	output_batch(b, out, run);
}

static __rte_always_inline void
output_take(struct output *out, const struct output_run *run)
{
	out->taken |= (uint32_t)(((UINT64_C(1) << run->n) - 1) << run->first);
}

/* A part of a burst: it is batched, and sent by output_flush. */
static __rte_always_inline void
output_part(struct worker *w, struct output *out, const struct output_run *run,
	    struct verdict verdict, const struct portset *receivers)
{
	out->split = true;
	if (unlikely(verdict.action != FORWARD_PORT)) {
		output_odd_part(w, out, run, verdict, receivers);
		return;
	}
	w->unicast_at = w->now;
	output_batch_port(w, verdict.port, out, run);
	if (unlikely(!endpoint_copies(&w->current->ports[verdict.port].endpoint)))
		output_take(out, run);
}
