/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Sends what a burst's verdicts say. Called by the worker whose burst it is. Guests copy frames and
 * devices take them over, so guests are served first, and a frame for several devices gets a
 * reference for each: flooding clones nothing.
 */
#include "dataplane/output.h"

#include "dataplane/flood.h"
#include "dataplane/flow_hash.h"

/* Sends n frames of so many bytes on one queue and counts them; a device's leftovers are freed. */
static __rte_always_inline void
send_queue(const struct worker *w, const struct endpoint *ep, uint16_t queue,
	   struct rte_mbuf **pkts, uint16_t n, uint32_t bytes, enum drop_reason if_full,
	   struct counters *counters)
{
	uint16_t sent;

	if (unlikely(w->offloads)) {
		const struct offload_way way = {&w->dp->pools, ep, queue, if_full, counters};

		offload_send(&way, pkts, n);
		return;
	}
	sent = endpoint_tx(ep, queue, pkts, n);
	counters->to_packets += sent;
	counters->to_bytes += bytes;
	if (likely(sent == n))
		return;
	/* A device may have freed what it sent: only what is left can be looked at. */
	for (uint16_t i = sent; i < n; i++)
		counters->to_bytes -= pkts[i]->pkt_len;
	counters->drops[if_full] += n - sent;
	if (!endpoint_copies(ep))
		rte_pktmbuf_free_bulk(&pkts[sent], n - sent);
}

/* A guest with several queues: each flow has its queue. */
static void
send_by_flow(const struct worker *w, const struct endpoint *ep, struct rte_mbuf **pkts, uint16_t n,
	     struct counters *counters)
{
	struct batch queues[MAX_QUEUE_PAIRS];

	for (uint16_t q = 0; q < ep->tx_queues; q++)
		queues[q].n = queues[q].bytes = 0;
	for (uint16_t i = 0; i < n; i++) {
		struct batch *b = &queues[flow_hash(pkts[i]) % ep->tx_queues];

		b->pkts[b->n++] = pkts[i];
		b->bytes += pkts[i]->pkt_len;
	}
	for (uint16_t q = 0; q < ep->tx_queues; q++)
		if (queues[q].n > 0)
			send_queue(w, ep, q, queues[q].pkts, queues[q].n, queues[q].bytes,
				   DROP_RING_FULL, counters);
}

static __rte_always_inline void
send_port(struct worker *w, uint16_t port, struct rte_mbuf **pkts, uint16_t n, uint32_t bytes)
{
	const struct endpoint *ep = &w->current->ports[port].endpoint;
	struct counters *counters = &w->ports[port];

	if (unlikely(ep->kind == ENDPOINT_ETHDEV))
		send_queue(w, ep, ep->txq[w->id], pkts, n, bytes, DROP_TX_FULL, counters);
	else if (unlikely(ep->tx_queues > 1))
		send_by_flow(w, ep, pkts, n, counters);
	else
		send_queue(w, ep, 0, pkts, n, bytes, DROP_RING_FULL, counters);
}

static __rte_always_inline void
send_wire(struct worker *w, uint16_t uplink, struct rte_mbuf **pkts, uint16_t n, uint32_t bytes)
{
	const struct view_uplink *u = &w->current->uplinks[uplink];

	if (unlikely(!u->carrier)) {
		/* As the kernel does: a queue that nobody empties would only hold old frames. */
		w->uplinks[uplink].drops[DROP_NO_CARRIER] += n;
		rte_pktmbuf_free_bulk(pkts, n);
		return;
	}
	send_queue(w, &u->endpoint, u->endpoint.txq[w->id], pkts, n, bytes, DROP_TX_FULL,
		   &w->uplinks[uplink]);
}

/* The ports of *receivers whose endpoints take frames over; the others copy. */
static struct portset
taking_ports(const struct view *v, struct portset receivers)
{
	struct portset takers = receivers;

	while (!portset_empty(&receivers)) {
		uint16_t port = portset_take(&receivers);

		if (endpoint_copies(&v->ports[port].endpoint))
			portset_del(&takers, port);
	}
	return takers;
}

/* A reference for each of takers; true: there is none, so the frames stay with us. */
static bool
share(struct rte_mbuf **pkts, uint16_t n, uint32_t takers)
{
	for (uint16_t i = 0; takers > 1 && i < n; i++)
		rte_pktmbuf_refcnt_update(pkts[i], (int16_t)(takers - 1));
	return takers == 0;
}

static void
flood_whole(struct worker *w, const struct output *out, const struct output_run *run, bool to_wire,
	    struct portset receivers)
{
	struct portset takers = taking_ports(w->current, receivers);
	bool ours = share(out->pkts, run->n, portset_count(&takers) + to_wire);

	while (!portset_empty(&receivers)) {
		uint16_t port = portset_take(&receivers);

		if (!portset_has(&takers, port))
			send_port(w, port, out->pkts, run->n, run->bytes);
	}
	while (!portset_empty(&takers)) {
		/* A device may write to the array: each gets one of its own. */
		struct rte_mbuf *pkts[BURST];

		memcpy(pkts, out->pkts, run->n * sizeof(pkts[0]));
		send_port(w, portset_take(&takers), pkts, run->n, run->bytes);
	}
	if (to_wire)
		send_wire(w, out->uplink, out->pkts, run->n, run->bytes);
	if (ours)
		rte_pktmbuf_free_bulk(out->pkts, run->n);
}

/* Counts a flood; false: it is beyond its source's share, and counted as that. */
static bool
may_flood(struct worker *w, const struct output *out, const struct output_run *run, bool to_wire,
	  const struct portset *receivers)
{
	uint32_t copies = portset_count(receivers) + to_wire;

	if (!flood_admit(w, out->source, run->n, copies)) {
		out->origin->drops[DROP_FLOOD_LIMIT] += run->n;
		return false;
	}
	out->origin->copies += run->n * (copies - 1);
	return true;
}

void
output_whole(struct worker *w, const struct output *out, const struct output_run *run,
	     struct verdict verdict, const struct portset *receivers)
{
	switch (verdict.action) {
	case FORWARD_PORT:
		w->unicast_at = w->now;
		send_port(w, verdict.port, out->pkts, run->n, run->bytes);
		if (unlikely(!endpoint_copies(&w->current->ports[verdict.port].endpoint)))
			return;
		break;
	case FORWARD_WIRE:
		w->unicast_at = w->now;
		send_wire(w, out->uplink, out->pkts, run->n, run->bytes);
		return;
	case FORWARD_FLOOD:
		if (!may_flood(w, out, run, verdict.to_wire, receivers))
			break;
		flood_whole(w, out, run, verdict.to_wire, *receivers);
		return;
	default:
		out->origin->drops[verdict.reason] += run->n;
		break;
	}
	rte_pktmbuf_free_bulk(out->pkts, run->n);
}

static void
flood_part(struct worker *w, struct output *out, const struct output_run *run, bool to_wire,
	   struct portset receivers)
{
	struct portset takers = taking_ports(w->current, receivers);

	if (!share(&out->pkts[run->first], run->n, portset_count(&takers) + to_wire))
		output_take(out, run);
	while (!portset_empty(&receivers))
		output_batch_port(w, portset_take(&receivers), out, run);
	if (to_wire)
		output_batch(&w->to_wire, out, run);
}

void
output_odd_part(struct worker *w, struct output *out, const struct output_run *run,
		struct verdict verdict, const struct portset *receivers)
{
	switch (verdict.action) {
	case FORWARD_WIRE:
		w->unicast_at = w->now;
		output_batch(&w->to_wire, out, run);
		output_take(out, run);
		break;
	case FORWARD_FLOOD:
		if (may_flood(w, out, run, verdict.to_wire, receivers))
			flood_part(w, out, run, verdict.to_wire, *receivers);
		break;
	default:
		out->origin->drops[verdict.reason] += run->n;
		break;
	}
}

static void
flush_port(struct worker *w, uint16_t port)
{
	struct batch *b = &w->to_port[port];

	send_port(w, port, b->pkts, b->n, b->bytes);
	b->n = 0;
	b->bytes = 0;
}

static void
free_rest(const struct output *out, uint16_t n)
{
	if (likely(out->taken == 0)) {
		rte_pktmbuf_free_bulk(out->pkts, n);
		return;
	}
	for (uint16_t i = 0; i < n; i++)
		if (!(out->taken >> i & 1))
			rte_pktmbuf_free(out->pkts[i]);
}

void
output_flush(struct worker *w, const struct output *out, uint16_t n)
{
	const struct view *v = w->current;

	for (uint16_t i = 0; i < w->n_touched; i++)
		if (endpoint_copies(&v->ports[w->touched[i]].endpoint))
			flush_port(w, w->touched[i]);
	for (uint16_t i = 0; i < w->n_touched; i++)
		if (w->to_port[w->touched[i]].n > 0)
			flush_port(w, w->touched[i]);
	w->n_touched = 0;
	if (w->to_wire.n > 0)
		send_wire(w, out->uplink, w->to_wire.pkts, w->to_wire.n, w->to_wire.bytes);
	w->to_wire.n = 0;
	w->to_wire.bytes = 0;
	free_rest(out, n);
}
