/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <rte_mbuf.h>

#include "dataplane/counters.h"
#include "dataplane/endpoint.h"

/*
 * Checksums and segmentation that a sender leaves to somebody behind it. A frame's needs are in its
 * mbuf as transmit flags (RTE_MBUF_F_TX_*) with header lengths, set once where the frame comes in
 * and proved against its bytes there. What a receiver does itself is endpoint.takes; what it does
 * not is done for it on the way out (offload_send), so a frame nobody has to touch is touched by
 * nobody.
 *
 * rte_vhost reports a guest's frames as a receiver would (RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS):
 * "checksum not complete", "large, of segments of so many bytes". Its older way sets transmit flags
 * itself, but forgets them without a word where it does not understand the frame (IPv6 extension
 * headers, a second VLAN tag, a malformed header), and frames with unfinished checksums would go
 * out as if they were good.
 *
 * Workers only, except where said. Nothing here allocates anything but mbufs.
 */

/* A guest's large frame has at most so many segments: each costs work, and smaller ones than 64 KB
 * divided by this are of no use to an honest sender. */
#define OFFLOAD_MAX_SEGMENTS 256

/* A frame from the wire that is shorter is not worth the saving of its checksum's check. */
#define OFFLOAD_MIN_VERIFIED 512

/* What a receiver's flags say about a frame that is to be looked at. */
#define OFFLOAD_SEEN (RTE_MBUF_F_RX_LRO | RTE_MBUF_F_RX_L4_CKSUM_MASK)

/* Where segments live; made by control before the first frame. */
struct offload_pools {
	struct rte_mempool *direct;   /* headers, or whole segments */
	struct rte_mempool *indirect; /* references into the large frame; rooms of no size */
};

/* Does any of n frames carry what its receiver has flagged? */
static __rte_always_inline bool
offload_seen(struct rte_mbuf *const *pkts, uint16_t n)
{
	uint64_t flags = 0;

	for (uint16_t i = 0; i < n; i++)
		flags |= pkts[i]->ol_flags;
	return (flags & OFFLOAD_SEEN) != 0;
}

/*
 * From receive flags to transmit flags. 0; or the frame is to be dropped: -EINVAL: what it asks for
 * is nonsense or cannot be done, -EMSGSIZE: its segments are longer than max_frame (0: any length).
 */
int offload_admit(struct rte_mbuf *m, uint32_t max_frame);

/*
 * The same for a burst: what is dropped is freed and counted in *counters, as coming in and as
 * dropped. Returns how many are left at pkts.
 */
uint16_t offload_admit_burst(struct rte_mbuf **pkts, uint16_t n, uint32_t max_frame,
			     struct counters *counters);

/* Writes the L4 checksum into an admitted frame (not TSO) and clears its flags. */
void offload_complete(struct rte_mbuf *m);

/* The same for a segment of a large frame, which is as its sender left it. */
void offload_complete_segment(struct rte_mbuf *s, const struct rte_mbuf *whole);

/*
 * A frame from the wire whose checksum the NIC found right: makes it one whose checksum is yet to
 * be completed, which is how virtio can say "need not be checked" with rte_vhost 22.11 (it never
 * sets VIRTIO_NET_HDR_F_DATA_VALID). Nothing, if it is not a plain TCP or UDP frame.
 */
void offload_mark_verified(struct rte_mbuf *m);

/*
 * Cuts an admitted TSO frame. takes: OFFLOAD_CSUM leaves checksums to the receiver, OFFLOAD_CHAINS
 * lets segments be chains. The frame is unchanged and still the caller's. The number of segments at
 * out; -ENOMEM: no buffers; -EINVAL: more than room. dataplane/segment.c
 */
int segment_frame(const struct offload_pools *pools, struct rte_mbuf *m, uint8_t takes,
		  struct rte_mbuf **out, uint16_t room);

/* One way out, and where it is counted. */
struct offload_way {
	const struct offload_pools *pools;
	const struct endpoint *ep;
	uint16_t queue;
	enum drop_reason if_full;
	struct counters *counters;
};

/*
 * endpoint_tx for frames of which some have needs: does what the endpoint does not do itself,
 * sends, counts, and frees what a device did not take. Ownership as with endpoint_tx.
 * dataplane/offload_send.c
 */
void offload_send(const struct offload_way *to, struct rte_mbuf **pkts, uint16_t n);
