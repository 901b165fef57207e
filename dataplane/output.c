/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * The way out. A burst with one verdict goes to its receivers as it came; the parts of a mixed one
 * are batched by receiver, then each receiver gets its batch in one go. Called by the worker whose
 * burst it is. Guests copy frames and devices take them over, so guests are served first, and a
 * frame for several devices gets a reference for each: flooding clones nothing.
 */
#include "dataplane/flood.h"
#include "dataplane/flow_hash.h"
#include "dataplane/worker.h"

/* Sends n frames of so many bytes on one queue and counts them; a device's leftovers are freed. */
static __rte_always_inline void
send_queue(const struct endpoint *ep, uint16_t queue, struct rte_mbuf **pkts, uint16_t n,
	   uint32_t bytes, enum drop_reason if_full, struct counters *counters)
{
	uint16_t sent = endpoint_tx(ep, queue, pkts, n);

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
send_by_flow(const struct endpoint *ep, struct rte_mbuf **pkts, uint16_t n,
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
			send_queue(ep, q, queues[q].pkts, queues[q].n, queues[q].bytes,
				   DROP_RING_FULL, counters);
}

static __rte_always_inline void
send_port(struct worker *w, uint16_t port, struct rte_mbuf **pkts, uint16_t n, uint32_t bytes)
{
	const struct endpoint *ep = &w->current->ports[port].endpoint;
	struct counters *counters = &w->ports[port];

	if (unlikely(ep->kind == ENDPOINT_ETHDEV))
		send_queue(ep, ep->txq[w->id], pkts, n, bytes, DROP_TX_FULL, counters);
	else if (unlikely(ep->tx_queues > 1))
		send_by_flow(ep, pkts, n, counters);
	else
		send_queue(ep, 0, pkts, n, bytes, DROP_RING_FULL, counters);
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
	send_queue(&u->endpoint, u->endpoint.txq[w->id], pkts, n, bytes, DROP_TX_FULL,
		   &w->uplinks[uplink]);
}

static void
drop_run(const struct output_run *run, enum drop_reason reason, struct counters *origin)
{
	origin->drops[reason] += run->n;
	rte_pktmbuf_free_bulk(run->pkts, run->n);
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

/* A reference for each of takers; true: there is none, so the frames stay with the caller. */
static bool
share_run(const struct output_run *run, uint32_t takers)
{
	for (uint16_t i = 0; takers > 1 && i < run->n; i++)
		rte_pktmbuf_refcnt_update(run->pkts[i], (int16_t)(takers - 1));
	return takers == 0;
}

static void
flood_whole(struct worker *w, const struct output_run *run, bool to_wire, struct portset receivers,
	    uint16_t uplink)
{
	struct portset takers = taking_ports(w->current, receivers);
	bool ours = share_run(run, portset_count(&takers) + to_wire);

	while (!portset_empty(&receivers)) {
		uint16_t port = portset_take(&receivers);

		if (!portset_has(&takers, port))
			send_port(w, port, run->pkts, run->n, run->bytes);
	}
	while (!portset_empty(&takers)) {
		/* A device may write to the array: each gets one of its own. */
		struct rte_mbuf *pkts[BURST];

		memcpy(pkts, run->pkts, run->n * sizeof(pkts[0]));
		send_port(w, portset_take(&takers), pkts, run->n, run->bytes);
	}
	if (to_wire)
		send_wire(w, uplink, run->pkts, run->n, run->bytes);
	if (ours)
		rte_pktmbuf_free_bulk(run->pkts, run->n);
}

void
output_whole(struct worker *w, struct poll_state *source, const struct output_run *run,
	     struct verdict verdict, const struct portset *receivers, uint16_t uplink,
	     struct counters *origin)
{
	switch (verdict.action) {
	case FORWARD_PORT:
		w->unicast_at = w->now;
		send_port(w, verdict.port, run->pkts, run->n, run->bytes);
		if (likely(endpoint_copies(&w->current->ports[verdict.port].endpoint)))
			rte_pktmbuf_free_bulk(run->pkts, run->n);
		break;
	case FORWARD_WIRE:
		w->unicast_at = w->now;
		send_wire(w, uplink, run->pkts, run->n, run->bytes);
		break;
	case FORWARD_FLOOD:
		if (!flood_admit(w, source, run->n, portset_count(receivers) + verdict.to_wire)) {
			drop_run(run, DROP_FLOOD_LIMIT, origin);
			break;
		}
		origin->copies += run->n * (portset_count(receivers) + verdict.to_wire - 1);
		flood_whole(w, run, verdict.to_wire, *receivers, uplink);
		break;
	default:
		drop_run(run, verdict.reason, origin);
		break;
	}
}

static __rte_always_inline void
batch_run(struct batch *b, const struct output_run *run)
{
	for (uint16_t i = 0; i < run->n; i++)
		b->pkts[b->n++] = run->pkts[i];
	b->bytes += run->bytes;
}

static __rte_always_inline void
batch_for_port(struct worker *w, uint16_t port, const struct output_run *run)
{
	struct batch *b = &w->to_port[port];

	if (b->n == 0)
		w->touched[w->n_touched++] = port;
	batch_run(b, run);
}

/* Frames that nobody takes over: freed when the burst is done. */
static __rte_always_inline void
keep_run(struct worker *w, const struct output_run *run)
{
	for (uint16_t i = 0; i < run->n; i++)
		w->free[w->n_free++] = run->pkts[i];
}

static void
flood_part(struct worker *w, const struct output_run *run, bool to_wire, struct portset receivers)
{
	struct portset takers = taking_ports(w->current, receivers);
	bool ours = share_run(run, portset_count(&takers) + to_wire);

	while (!portset_empty(&receivers))
		batch_for_port(w, portset_take(&receivers), run);
	if (to_wire)
		batch_run(&w->to_wire, run);
	if (ours)
		keep_run(w, run);
}

void
output_part(struct worker *w, struct poll_state *source, const struct output_run *run,
	    struct verdict verdict, const struct portset *receivers, struct counters *origin)
{
	switch (verdict.action) {
	case FORWARD_PORT:
		w->unicast_at = w->now;
		batch_for_port(w, verdict.port, run);
		if (endpoint_copies(&w->current->ports[verdict.port].endpoint))
			keep_run(w, run);
		break;
	case FORWARD_WIRE:
		w->unicast_at = w->now;
		batch_run(&w->to_wire, run);
		break;
	case FORWARD_FLOOD:
		if (!flood_admit(w, source, run->n, portset_count(receivers) + verdict.to_wire)) {
			origin->drops[DROP_FLOOD_LIMIT] += run->n;
			keep_run(w, run);
			break;
		}
		origin->copies += run->n * (portset_count(receivers) + verdict.to_wire - 1);
		flood_part(w, run, verdict.to_wire, *receivers);
		break;
	default:
		origin->drops[verdict.reason] += run->n;
		keep_run(w, run);
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
		send_wire(w, uplink, w->to_wire.pkts, w->to_wire.n, w->to_wire.bytes);
	w->to_wire.n = 0;
	w->to_wire.bytes = 0;
	if (w->n_free > 0)
		rte_pktmbuf_free_bulk(w->free, w->n_free);
	w->n_free = 0;
}
