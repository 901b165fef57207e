/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <jansson.h>
#include <rte_ethdev.h>

#include "config/errmsg.h"
#include "dataplane/offload.h"

/*
 * Which checksum and segmentation offloads guests and devices have, in the words of each: virtio
 * features, DPDK's offload bits, and what the dataplane knows (endpoint.takes and .gives). Control
 * thread.
 */

/* The virtio features not to be offered to a guest; wanted: the port's key `offloads`. */
uint64_t offloads_withheld(bool wanted);

/* What a guest that negotiated these virtio features takes and gives. */
void offloads_of_guest(uint64_t features, struct endpoint *ep);

/*
 * The offloads to configure a device with, out of those that it has: none where the driver does in
 * software what the dataplane does better, or if they are not wanted. Also chained buffers.
 */
uint64_t offloads_for_tx(const struct rte_eth_dev_info *info, bool wanted);
uint64_t offloads_for_rx(const struct rte_eth_dev_info *info, bool wanted);

/* What a device configured with these takes and gives. */
void offloads_of_device(uint64_t tx, uint64_t rx, struct endpoint *ep);

/* Names, as `show` prints them. */
json_t *offloads_json_guest(uint64_t features);
json_t *offloads_json_device(uint64_t tx, uint64_t rx);

/* The buffers for segments. 0; -ENOMEM. */
int offloads_pools_create(struct offload_pools *pools, struct errmsg *e);
void offloads_pools_free(struct offload_pools *pools);

/*
 * Makes each buffer of a pool for guests' frames a little smaller than it is: rte_vhost, which
 * completes the checksum of a protocol that it does not know, may write one byte beyond a buffer
 * that is full (vhost_dequeue_offload, up to at least 25.11).
 */
void offloads_guard_pool(struct rte_mempool *pool);
