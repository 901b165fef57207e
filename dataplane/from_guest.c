/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Frames that a guest sent: decide each by the forwarding rules and hand it to output. Called by
 * the worker that polls the port's queue. What a guest sends is never trusted: not its length, not
 * its source address.
 */
#include "dataplane/burst.h"

void
from_guest_burst(struct worker *w, struct poll_state *source, struct rte_mbuf **pkts, uint16_t n)
{
	burst_forward(w, source, pkts, n, BURST_FROM_GUEST);
}
