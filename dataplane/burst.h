/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <rte_prefetch.h>

#include "dataplane/flood.h"
#include "dataplane/forward.h"
#include "dataplane/worker.h"

/*
 * The one fast path: a burst of frames from one queue, decided and handed to output. An
 * always-inline body that from_guest.c and from_wire.c specialise by a constant origin.
 *
 * Frames that follow each other with the same Ethernet header (addresses and type: all that the
 * rules look at) are a run with one verdict. Most bursts are one run, and go out as they came.
 */
enum burst_origin { BURST_FROM_GUEST, BURST_FROM_WIRE, BURST_FROM_OWN_QUEUE };

/* The 14 bytes of the header, as two overlapping numbers. */
static __rte_always_inline bool
burst_same_header(const void *a, const void *b)
{
	uint64_t head[2], tail[2];

	__builtin_memcpy(&head[0], a, 8);
	__builtin_memcpy(&head[1], b, 8);
	__builtin_memcpy(&tail[0], (const char *)a + 6, 8);
	__builtin_memcpy(&tail[1], (const char *)b + 6, 8);
	return ((head[0] ^ head[1]) | (tail[0] ^ tail[1])) == 0;
}

/* A frame that no rule needs to see: too short, or (0: any length will do) too long. */
static __rte_always_inline bool
burst_is_bad(const struct rte_mbuf *m, uint32_t max_frame)
{
	return unlikely(m->data_len < RTE_ETHER_HDR_LEN ||
			(max_frame != 0 && m->pkt_len > max_frame));
}

static __rte_always_inline struct verdict
burst_decide(const struct view *v, uint16_t index, uint16_t owner, const struct rte_mbuf *m,
	     uint32_t max_frame, struct portset *receivers, const enum burst_origin origin)
{
	const struct rte_ether_hdr *hdr = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);

	if (burst_is_bad(m, max_frame))
		return verdict_drop(RULE_MAC_CONTROL,
				    m->data_len < RTE_ETHER_HDR_LEN ? DROP_RUNT : DROP_TOO_BIG);
	if (origin == BURST_FROM_GUEST)
		return forward_from_guest(v, index, hdr, receivers);
	if (origin == BURST_FROM_OWN_QUEUE)
		return forward_from_own_queue(v, owner, hdr, receivers);
	return forward_from_wire(v, index, hdr, receivers);
}

/* How many of n frames, the first of them good, share its verdict; *bytes: theirs. */
static __rte_always_inline uint16_t
burst_run_length(struct rte_mbuf **pkts, uint16_t n, uint32_t max_frame, uint32_t *bytes)
{
	const void *first = rte_pktmbuf_mtod(pkts[0], const void *);
	uint16_t i = 1;

	*bytes = pkts[0]->pkt_len;
	if (burst_is_bad(pkts[0], max_frame))
		return 1;
	for (; i < n; i++) {
		const struct rte_mbuf *m = pkts[i];

		if (burst_is_bad(m, max_frame) ||
		    !burst_same_header(first, rte_pktmbuf_mtod(m, const void *)))
			break;
		*bytes += m->pkt_len;
	}
	return i;
}

/* source: the queue; pkts: the caller's no more. */
static __rte_always_inline void
burst_forward(struct worker *w, struct poll_state *source, struct rte_mbuf **pkts, uint16_t n,
	      const enum burst_origin origin)
{
	const struct view *v = w->current;
	uint16_t index = source->poll.index, owner = source->poll.owner;
	uint16_t uplink = origin == BURST_FROM_GUEST ? v->ports[index].uplink : index;
	uint32_t max_frame = origin == BURST_FROM_GUEST ? v->uplinks[uplink].max_frame : 0;
	struct counters *counters =
		origin == BURST_FROM_GUEST ? &w->ports[index] : &w->uplinks[index];
	uint64_t bytes = 0;
	bool split = false;

	/* A guest's frames were copied just now. */
	for (uint16_t i = 0; origin != BURST_FROM_GUEST && i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
	for (uint16_t i = 0; i < n;) {
		struct output_run run = {.pkts = &pkts[i]};
		struct portset receivers;
		struct verdict verdict =
			burst_decide(v, index, owner, pkts[i], max_frame, &receivers, origin);

		run.n = burst_run_length(&pkts[i], n - i, max_frame, &run.bytes);
		if (origin == BURST_FROM_WIRE && verdict.action == FORWARD_PORT)
			w->looked_up[verdict.port] += run.n;
		bytes += run.bytes;
		i += run.n;
		split = run.n < n;
		if (likely(!split))
			output_whole(w, source, &run, verdict, &receivers, uplink, counters);
		else
			output_part(w, source, &run, verdict, &receivers, counters);
	}
	counters->from_packets += n;
	counters->from_bytes += bytes;
	if (origin == BURST_FROM_OWN_QUEUE)
		w->own_queue[owner] += n;
	if (split)
		output_flush(w, uplink);
	if (unlikely(w->flood.seen || source->burst != BURST))
		flood_settle(w, source);
}
