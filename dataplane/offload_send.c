/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * The way out for frames with needs: what their receiver does not do itself is done here, in their
 * order. Called by output.c for bursts in which there is such a frame.
 *
 * A frame may have several receivers. Completing its checksum is right for all of them, so it is
 * done in place; cutting it makes new frames for one receiver. Guests copy before any device reads,
 * but two devices may read at once, so a frame that several hold is complete before the first
 * device has it.
 */
#include "dataplane/offload.h"

#include <errno.h>
#include <rte_ip.h>

#include "dataplane/worker.h"

#define NOBODY_DOES 0x80 /* in no endpoint's takes */

static uint8_t
needs(const struct rte_mbuf *m)
{
	uint8_t bits = m->ol_flags & RTE_MBUF_F_TX_L4_MASK ? OFFLOAD_CSUM : 0;

	if (likely(!(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG)))
		return bits;
	if (m->ol_flags & RTE_MBUF_F_TX_IPV4)
		return bits | OFFLOAD_TSO4;
	/* rte_net's pseudo header, which rte_vhost and drivers use, knows no extension headers. */
	return bits | (m->l3_len == sizeof(struct rte_ipv6_hdr) ? OFFLOAD_TSO6 : NOBODY_DOES);
}

/* Frames that the endpoint takes as they are. */
static void
send_ready(const struct offload_way *to, struct rte_mbuf **pkts, uint16_t n)
{
	uint64_t bytes = 0;
	uint16_t sent;

	if (n == 0)
		return;
	for (uint16_t i = 0; i < n; i++)
		bytes += rte_pktmbuf_pkt_len(pkts[i]);
	sent = endpoint_tx(to->ep, to->queue, pkts, n);
	/* A device may have freed what it sent: only what is left can be looked at. */
	for (uint16_t i = sent; i < n; i++)
		bytes -= rte_pktmbuf_pkt_len(pkts[i]);
	to->counters->to_packets += sent;
	to->counters->to_bytes += bytes;
	to->counters->drops[to->if_full] += n - sent;
	if (!endpoint_copies(to->ep))
		rte_pktmbuf_free_bulk(&pkts[sent], n - sent);
}

/* Has the device's driver write what it wants in frames whose checksums it completes; the ones from
 * a refused one on are completed here. */
static void
prepare(const struct offload_way *to, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t ready = rte_eth_tx_prepare(to->ep->ethdev, to->queue, pkts, n);

	for (uint16_t i = ready; i < n; i++)
		offload_complete(pkts[i]);
}

/* To a device in one go: whoever takes frames together at the other end (GRO) gets them together,
 * and acknowledges fewer. rte_vhost takes so many at most; it copies, so the segments stay ours. */
static void
send_segments(const struct offload_way *to, struct rte_mbuf **pkts, uint16_t n)
{
	if (!endpoint_copies(to->ep)) {
		if (needs(pkts[0]) != 0)
			prepare(to, pkts, n);
		send_ready(to, pkts, n);
		return;
	}
	for (uint16_t i = 0; i < n; i += BURST)
		send_ready(to, &pkts[i], RTE_MIN((uint16_t)(n - i), (uint16_t)BURST));
	rte_pktmbuf_free_bulk(pkts, n);
}

/* A frame that has to be cut. */
static void
send_cut(const struct offload_way *to, struct rte_mbuf *m)
{
	struct rte_mbuf *segments[OFFLOAD_MAX_SEGMENTS];
	int n = segment_frame(to->pools, m, to->ep->takes, segments, OFFLOAD_MAX_SEGMENTS);

	if (n > 0) {
		to->counters->copies += (uint64_t)n - 1;
		send_segments(to, segments, (uint16_t)n);
	} else {
		to->counters->drops[n == -ENOMEM ? DROP_NO_BUFFER : DROP_BAD_OFFLOAD]++;
	}
	if (!endpoint_copies(to->ep))
		rte_pktmbuf_free(m);
}

/* A frame without needs, for a guest: the NIC's word that its checksum is right goes along. */
static void
pass_verdict(const struct endpoint *ep, struct rte_mbuf *m)
{
	if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD &&
	    ep->takes & OFFLOAD_CSUM && endpoint_copies(ep) &&
	    rte_pktmbuf_pkt_len(m) >= OFFLOAD_MIN_VERIFIED)
		offload_mark_verified(m);
}

/* A device does all that m needs; false: it is a large frame and the driver refuses it (there are
 * limits on buffers in a frame, for instance). */
static bool
prepare_whole(const struct offload_way *to, struct rte_mbuf *m)
{
	if (!(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG)) {
		prepare(to, &m, 1);
		return true;
	}
	/* Most devices write the IPv4 checksum of each segment, and want it said. */
	if (m->ol_flags & RTE_MBUF_F_TX_IPV4 && to->ep->takes & OFFLOAD_IP_CSUM)
		m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
	return rte_eth_tx_prepare(to->ep->ethdev, to->queue, &m, 1) == 1;
}

/* Makes m a frame that the endpoint takes; false: it has to be cut. */
static bool
make_ready(const struct offload_way *to, struct rte_mbuf *m)
{
	const struct endpoint *ep = to->ep;
	bool shared = !endpoint_copies(ep) && rte_mbuf_refcnt_read(m) > 1;
	uint8_t all = needs(m);

	if (all == 0) {
		pass_verdict(ep, m);
		return true;
	}
	if ((all & (uint8_t)~ep->takes) == 0 && !shared)
		return endpoint_copies(ep) || prepare_whole(to, m);
	if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG)
		return false;
	offload_complete(m);
	return true;
}

void
offload_send(const struct offload_way *to, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t first = 0;

	for (uint16_t i = 0; i < n; i++) {
		if (make_ready(to, pkts[i]))
			continue;
		send_ready(to, &pkts[first], i - first);
		send_cut(to, pkts[i]);
		first = i + 1;
	}
	send_ready(to, &pkts[first], n - first);
}
