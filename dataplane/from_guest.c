/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Frames that a guest sent: decide each by the forwarding rules and hand it to output. Called by
 * the worker that polls the port's queue. What a guest sends is never trusted: not its length, not
 * its source address.
 */
#include <rte_prefetch.h>

#include "dataplane/forward.h"
#include "dataplane/worker.h"

void
from_guest_burst(struct worker *w, uint16_t port, struct rte_mbuf **pkts, uint16_t n)
{
	const struct view *v = w->current;
	uint16_t uplink = v->ports[port].uplink;
	uint32_t max_frame = v->uplinks[uplink].max_frame;
	struct counters *counters = &w->ports[port];
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		struct portset receivers;
		struct verdict verdict;

		bytes += rte_pktmbuf_pkt_len(m);
		if (unlikely(rte_pktmbuf_data_len(m) < RTE_ETHER_HDR_LEN))
			verdict = (struct verdict){.action = FORWARD_DROP, .reason = DROP_RUNT};
		else if (unlikely(rte_pktmbuf_pkt_len(m) > max_frame))
			verdict = (struct verdict){.action = FORWARD_DROP, .reason = DROP_TOO_BIG};
		else
			verdict = forward_from_guest(
				v, port, rte_pktmbuf_mtod(m, const struct rte_ether_hdr *),
				&receivers);
		output_frame(w, m, &verdict, &receivers, counters);
	}
	counters->from_packets += n;
	counters->from_bytes += bytes;
	output_flush(w, uplink);
}
