/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * The way out: frames of one burst are batched by receiver, then each receiver gets its batch in
 * one go. Called by the worker whose burst it is. Guests copy frames and devices take them over, so
 * guests are served first, and a frame for several devices gets a reference for each: flooding
 * clones nothing.
 */
#include "dataplane/flow_hash.h"
#include "dataplane/worker.h"

static __rte_always_inline void
batch_add(struct batch *b, struct rte_mbuf *m)
{
	b->pkts[b->n++] = m;
}

static __rte_always_inline void
add_port(struct worker *w, uint16_t port, struct rte_mbuf *m)
{
	struct batch *b = &w->to_port[port];

	if (b->n == 0)
		w->touched[w->n_touched++] = port;
	batch_add(b, m);
}

/* How many devices take the frame over when it goes to *receivers and, perhaps, the wire. */
static uint16_t
count_takers(const struct view *v, struct portset receivers, bool to_wire)
{
	uint16_t takers = to_wire;

	while (!portset_empty(&receivers))
		takers += !endpoint_copies(&v->ports[portset_take(&receivers)].endpoint);
	return takers;
}

static void
output_flood(struct worker *w, struct rte_mbuf *m, const struct verdict *verdict,
	     const struct portset *receivers, struct counters *origin)
{
	uint16_t takers = count_takers(w->current, *receivers, verdict->to_wire);
	struct portset left = *receivers;

	origin->copies += portset_count(receivers) + verdict->to_wire - 1;
	while (!portset_empty(&left))
		add_port(w, portset_take(&left), m);
	if (verdict->to_wire)
		batch_add(&w->to_wire, m);
	if (takers == 0)
		w->free[w->n_free++] = m;
	else if (takers > 1)
		rte_pktmbuf_refcnt_update(m, (int16_t)(takers - 1));
}

void
output_frame(struct worker *w, struct rte_mbuf *m, const struct verdict *verdict,
	     const struct portset *receivers, struct counters *origin)
{
	switch (verdict->action) {
	case FORWARD_PORT:
		add_port(w, verdict->port, m);
		if (endpoint_copies(&w->current->ports[verdict->port].endpoint))
			w->free[w->n_free++] = m;
		break;
	case FORWARD_WIRE:
		batch_add(&w->to_wire, m);
		break;
	case FORWARD_FLOOD:
		output_flood(w, m, verdict, receivers, origin);
		break;
	default:
		origin->drops[verdict->reason]++;
		w->free[w->n_free++] = m;
		break;
	}
}

/* Sends n frames on one queue and counts them; a device's leftovers are freed. */
static void
send_queue(const struct endpoint *ep, uint16_t queue, struct rte_mbuf **pkts, uint16_t n,
	   enum drop_reason if_full, struct counters *counters)
{
	uint64_t bytes[BURST];
	uint16_t sent;

	/* Lengths first: a device may free what it sent before it returns. */
	for (uint16_t i = 0; i < n; i++)
		bytes[i] = rte_pktmbuf_pkt_len(pkts[i]);
	sent = endpoint_tx(ep, queue, pkts, n);
	counters->to_packets += sent;
	for (uint16_t i = 0; i < sent; i++)
		counters->to_bytes += bytes[i];
	if (unlikely(sent < n)) {
		counters->drops[if_full] += n - sent;
		if (!endpoint_copies(ep))
			rte_pktmbuf_free_bulk(&pkts[sent], n - sent);
	}
}

/* A guest with several queues: each flow has its queue. */
static void
send_by_flow(const struct endpoint *ep, const struct batch *b, struct counters *counters)
{
	struct batch queues[MAX_QUEUE_PAIRS];

	for (uint16_t q = 0; q < ep->tx_queues; q++)
		queues[q].n = 0;
	for (uint16_t i = 0; i < b->n; i++)
		batch_add(&queues[flow_hash(b->pkts[i]) % ep->tx_queues], b->pkts[i]);
	for (uint16_t q = 0; q < ep->tx_queues; q++)
		if (queues[q].n > 0)
			send_queue(ep, q, queues[q].pkts, queues[q].n, DROP_RING_FULL, counters);
}

static void
flush_port(struct worker *w, uint16_t port)
{
	const struct endpoint *ep = &w->current->ports[port].endpoint;
	struct batch *b = &w->to_port[port];

	if (ep->kind == ENDPOINT_ETHDEV)
		send_queue(ep, ep->txq[w->id], b->pkts, b->n, DROP_TX_FULL, &w->ports[port]);
	else if (ep->tx_queues > 1)
		send_by_flow(ep, b, &w->ports[port]);
	else
		send_queue(ep, 0, b->pkts, b->n, DROP_RING_FULL, &w->ports[port]);
	b->n = 0;
}

static void
flush_wire(struct worker *w, uint16_t uplink)
{
	const struct view_uplink *u = &w->current->uplinks[uplink];
	struct batch *b = &w->to_wire;

	if (unlikely(!u->carrier)) {
		/* As the kernel does: a queue that nobody empties would only hold old frames. */
		w->uplinks[uplink].drops[DROP_NO_CARRIER] += b->n;
		rte_pktmbuf_free_bulk(b->pkts, b->n);
	} else {
		send_queue(&u->endpoint, u->endpoint.txq[w->id], b->pkts, b->n, DROP_TX_FULL,
			   &w->uplinks[uplink]);
	}
	b->n = 0;
}

void
output_flush(struct worker *w, uint16_t uplink)
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
		flush_wire(w, uplink);
	if (w->n_free > 0)
		rte_pktmbuf_free_bulk(w->free, w->n_free);
	w->n_free = 0;
}
