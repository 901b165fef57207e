/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Frames that an uplink received: decide each by the forwarding rules and hand it to output. Called
 * by the worker that polls the uplink's queue.
 */
#include "dataplane/burst.h"

void
from_wire_burst(struct worker *w, struct poll_state *source, struct rte_mbuf **pkts, uint16_t n)
{
	if (source->poll.owner != NO_PORT)
		burst_forward(w, source, pkts, n, BURST_FROM_OWN_QUEUE);
	else
		burst_forward(w, source, pkts, n, BURST_FROM_WIRE);
}
