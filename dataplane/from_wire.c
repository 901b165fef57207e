/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Frames that an uplink received: decide each by the forwarding rules and hand it to output. Called
 * by the worker that polls the uplink's queue.
 */
#include <rte_prefetch.h>

#include "dataplane/forward.h"
#include "dataplane/worker.h"

/* One always-inline body; own: the frames are on the queue of from->owner alone. */
static __rte_always_inline void
forward_burst(struct worker *w, const struct view_poll *from, struct rte_mbuf **pkts, uint16_t n,
	      const bool own)
{
	const struct view *v = w->current;
	struct counters *counters = &w->uplinks[from->index];
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		const struct rte_ether_hdr *hdr = rte_pktmbuf_mtod(m, const void *);
		struct portset receivers;
		struct verdict verdict;

		bytes += rte_pktmbuf_pkt_len(m);
		if (unlikely(rte_pktmbuf_data_len(m) < RTE_ETHER_HDR_LEN))
			verdict = (struct verdict){.action = FORWARD_DROP, .reason = DROP_RUNT};
		else if (own)
			verdict = forward_from_own_queue(v, from->owner, hdr, &receivers);
		else
			verdict = forward_from_wire(v, from->index, hdr, &receivers);
		if (!own && verdict.action == FORWARD_PORT)
			w->looked_up[verdict.port]++;
		output_frame(w, m, &verdict, &receivers, counters);
	}
	counters->from_packets += n;
	counters->from_bytes += bytes;
	if (own)
		w->own_queue[from->owner] += n;
	output_flush(w, from->index);
}

void
from_wire_burst(struct worker *w, const struct view_poll *from, struct rte_mbuf **pkts, uint16_t n)
{
	if (from->owner != NO_PORT)
		forward_burst(w, from, pkts, n, true);
	else
		forward_burst(w, from, pkts, n, false);
}
