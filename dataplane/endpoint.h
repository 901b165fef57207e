/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <rte_ethdev.h>
#include <rte_vhost.h>

#include "config/settings.h"

/* What an endpoint does itself with the frames it takes: bits of endpoint.takes. */
#define OFFLOAD_CSUM 1     /* completes TCP and UDP checksums, or needs none */
#define OFFLOAD_TSO4 2     /* takes large TCP frames of IPv4 */
#define OFFLOAD_TSO6 4     /* and of IPv6 */
#define OFFLOAD_CHAINS 8   /* takes frames in several buffers */
#define OFFLOAD_IP_CSUM 16 /* writes IPv4 headers' checksums where it is told to */

/*
 * The two kinds of things that frames come from and go to, behind one burst interface. A third
 * kind is a case in the three functions below and its set-up in control.
 *
 * Ownership differs, and the output code must know it (endpoint_copies): rte_vhost copies a frame
 * into the guest's ring and leaves the mbuf with the caller; an ethdev takes the mbuf over.
 *
 * Thread-safety: constant inside a view. Each rx queue is polled by one worker. A worker uses its
 * own ethdev tx queue; guest rings are guarded by rte_vhost's own ring lock.
 */
enum endpoint_kind { ENDPOINT_NONE, ENDPOINT_VHOST, ENDPOINT_ETHDEV };

struct endpoint {
	enum endpoint_kind kind;
	int vid;                  /* vhost device id */
	uint16_t ethdev;          /* ethdev port id */
	uint16_t rx_queues;       /* queues that we poll; for vhost, running queue pairs */
	uint16_t tx_queues;       /* vhost: queues a frame may be hashed to */
	uint8_t txq[MAX_WORKERS]; /* ethdev: each worker's own tx queue */
	uint8_t takes;            /* OFFLOAD_*; dataplane/offload.h */
	bool gives; /* its frames may come with offloads, or with verified checksums */
	struct rte_mempool *pool; /* vhost: where dequeued frames live */
};

/* rte_vhost's ring numbering: pair q has the guest's receive ring at 2q, its transmit ring at 2q+1.
 */
static inline uint16_t
vhost_guest_rx_ring(uint16_t queue)
{
	return (uint16_t)(queue * 2);
}

static inline uint16_t
vhost_guest_tx_ring(uint16_t queue)
{
	return (uint16_t)(queue * 2 + 1);
}

/* Up to n frames that arrived on queue; the caller owns them. */
static __rte_always_inline uint16_t
endpoint_rx(const struct endpoint *ep, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	if (ep->kind == ENDPOINT_VHOST)
		return rte_vhost_dequeue_burst(ep->vid, vhost_guest_tx_ring(queue), ep->pool, pkts,
					       n);
	return rte_eth_rx_burst(ep->ethdev, queue, pkts, n);
}

/* Sends the first of n frames that there is room for; returns how many. */
static __rte_always_inline uint16_t
endpoint_tx(const struct endpoint *ep, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	if (ep->kind == ENDPOINT_VHOST)
		return rte_vhost_enqueue_burst(ep->vid, vhost_guest_rx_ring(queue), pkts, n);
	return rte_eth_tx_burst(ep->ethdev, queue, pkts, n);
}

/* true: frames stay with the caller after endpoint_tx. */
static __rte_always_inline bool
endpoint_copies(const struct endpoint *ep)
{
	return ep->kind == ENDPOINT_VHOST;
}
