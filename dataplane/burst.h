/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <rte_prefetch.h>

#include "dataplane/flood.h"
#include "dataplane/forward.h"
#include "dataplane/offload.h"
#include "dataplane/output.h"

/*
 * The one fast path: a burst of frames from one queue, decided and handed to output. An
 * always-inline body that from_guest.c and from_wire.c specialise by a constant origin.
 *
 * A run is the longest sequence of frames with one verdict. A frame with the Ethernet header of the
 * one before it (addresses and type: all that the rules look at) needs no decision, one with its
 * source only half of it. Most bursts are one run, and go out as they came.
 */
enum burst_origin { BURST_FROM_GUEST, BURST_FROM_WIRE, BURST_FROM_OWN_QUEUE };

/* What decides, and what is remembered of the frame before. */
struct burst {
	const struct view *v;
	uint16_t index; /* of the port or uplink where the frames came in */
	uint16_t owner;
	uint32_t max_frame; /* of what is not to be cut; 0: any length will do */
	uint64_t head;      /* the 14 bytes of the header as two overlapping numbers */
	uint64_t tail;
	bool known; /* head and tail are those of a good frame */
	bool external;
};

static __rte_always_inline struct verdict
burst_bad(const struct rte_mbuf *m)
{
	return verdict_drop(RULE_MAC_CONTROL,
			    m->data_len < RTE_ETHER_HDR_LEN ? DROP_RUNT : DROP_TOO_BIG);
}

static __rte_always_inline struct verdict
burst_decide(struct burst *b, const struct rte_ether_hdr *hdr, uint64_t tail,
	     struct portset *receivers, const enum burst_origin origin)
{
	uint16_t segment = b->v->uplinks[b->index].segment;

	if (origin == BURST_FROM_GUEST)
		return forward_from_guest(b->v, b->index, hdr, receivers);
	if (origin == BURST_FROM_OWN_QUEUE)
		return forward_from_own_queue(b->v, b->owner, hdr, receivers);
	if (!b->known || tail != b->tail)
		b->external = forward_is_external(b->v, segment, hdr);
	if (likely(b->external))
		return forward_external(b->v, segment, hdr, receivers);
	return forward_special(b->v, segment, hdr, receivers);
}

/* The verdict about m, given the one about the frame before it. true: it is the same. */
static __rte_always_inline bool
burst_next(struct burst *b, const struct rte_mbuf *m, struct verdict *verdict,
	   struct portset *receivers, const enum burst_origin origin)
{
	const struct rte_ether_hdr *hdr = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	struct verdict former = *verdict;
	uint64_t head, tail;

	if (unlikely(m->data_len < RTE_ETHER_HDR_LEN ||
		     (b->max_frame != 0 && m->pkt_len > b->max_frame &&
		      !(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG)))) {
		b->known = false;
		*verdict = burst_bad(m);
		return false;
	}
	__builtin_memcpy(&head, hdr, sizeof(head));
	__builtin_memcpy(&tail, (const char *)hdr + RTE_ETHER_ADDR_LEN, sizeof(tail));
	if (likely(b->known && ((head ^ b->head) | (tail ^ b->tail)) == 0))
		return true;
	*verdict = burst_decide(b, hdr, tail, receivers, origin);
	b->known = true;
	b->head = head;
	b->tail = tail;
	return verdict->action == former.action && verdict->port == former.port &&
	       (verdict->action == FORWARD_PORT || verdict->action == FORWARD_WIRE);
}

/* source: the queue; pkts: the caller's no more. */
static __rte_always_inline void
burst_forward(struct worker *w, struct poll_state *source, struct rte_mbuf **pkts, uint16_t n,
	      const enum burst_origin origin)
{
	const bool guest = origin == BURST_FROM_GUEST;
	struct burst b = {
		.v = w->current, .index = source->poll.index, .owner = source->poll.owner};
	uint16_t uplink = guest ? b.v->ports[b.index].uplink : b.index;
	struct counters *counters = guest ? &w->ports[b.index] : &w->uplinks[b.index];
	struct output out = {.source = source, .uplink = uplink, .origin = counters, .pkts = pkts};
	struct portset receivers[2]; /* of the run under way, and of the one after it */
	struct verdict verdict = {0}, next;
	uint64_t bytes = 0;
	uint16_t i = 0;

	if (guest)
		b.max_frame = b.v->uplinks[uplink].max_frame;
	w->offloads =
		(guest ? &b.v->ports[b.index].endpoint : &b.v->uplinks[uplink].endpoint)->gives &&
		offload_seen(pkts, n);
	if (unlikely(w->offloads)) {
		n = offload_admit_burst(pkts, n, b.max_frame, counters);
		if (n == 0)
			return;
	}
	if (!guest) /* a guest's frames were copied just now */
		for (uint16_t j = 0; j < n; j++)
			rte_prefetch0(rte_pktmbuf_mtod(pkts[j], void *));
	burst_next(&b, pkts[0], &verdict, &receivers[0], origin);
	for (unsigned int turn = 0; i < n; turn ^= 1, verdict = next) {
		struct output_run run = {.first = i};

		next = verdict;
		do
			run.bytes += pkts[i]->pkt_len;
		while (++i < n && burst_next(&b, pkts[i], &next, &receivers[turn ^ 1], origin));
		run.n = i - run.first;
		if (origin == BURST_FROM_WIRE && verdict.action == FORWARD_PORT)
			w->looked_up[verdict.port] += run.n;
		bytes += run.bytes;
		if (likely(run.n == n))
			output_whole(w, &out, &run, verdict, &receivers[turn]);
		else
			output_part(w, &out, &run, verdict, &receivers[turn]);
	}
	counters->from_packets += n;
	counters->from_bytes += bytes;
	if (origin == BURST_FROM_OWN_QUEUE)
		w->own_queue[b.owner] += n;
	if (out.split)
		output_flush(w, &out, n);
	if (unlikely(w->flood.seen || source->burst != BURST))
		flood_settle(w, source);
}
