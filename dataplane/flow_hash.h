/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <rte_mbuf.h>

/*
 * A hash over what makes a flow (addresses, ports, protocol), so that a guest with several queues
 * gets each flow on one queue, in order (virtio 5.1.6.5.5, as the kernel's tap_get_queue). The
 * NIC's own RSS hash is used where the frame carries one. Pure; called by workers.
 */
uint32_t flow_hash(const struct rte_mbuf *m);
