/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <stdint.h>

#include "config/settings.h"
#include "dataplane/reasons.h"

/*
 * What workers count. Each worker has a set of its own for every port and uplink: it alone writes,
 * control reads (relaxed: a sum may be a few frames old) and clears the slot of a port that no view
 * has any more.
 *
 * The book balances: every frame that enters (from_*) and every further copy that a flood makes
 * (copies) ends exactly once: in a ring (to_*) or under one drop reason. A drop is counted where it
 * happens: what the rules drop at the port or uplink where the frame came in, what a full ring or
 * device drops at the one that had no room. A large frame counts once where it comes in; where it
 * has to be cut for a receiver, that receiver counts the segments, and those beyond the first as
 * its copies. So, over all ports and uplinks at rest:
 *
 *     sum(from) + sum(copies) == sum(to) + sum(drops)
 */
struct counters {
	uint64_t from_packets; /* a port: from its guest; an uplink: from its wire */
	uint64_t from_bytes;   /* without FCS */
	uint64_t to_packets;
	uint64_t to_bytes;
	uint64_t copies; /* receivers beyond the first of frames that came in here, and segments
			    beyond the first of large frames cut for this one */
	uint64_t drops[DROP_REASON_COUNT];
};

/* What the frames of one queue cost its worker; written and read as the counters are. */
struct queue_load {
	uint64_t cycles; /* TSC */
	uint64_t packets;
};

/* Adds *from to *sum. */
static inline void
counters_add(struct counters *sum, const struct counters *from)
{
	sum->from_packets += __atomic_load_n(&from->from_packets, __ATOMIC_RELAXED);
	sum->from_bytes += __atomic_load_n(&from->from_bytes, __ATOMIC_RELAXED);
	sum->to_packets += __atomic_load_n(&from->to_packets, __ATOMIC_RELAXED);
	sum->to_bytes += __atomic_load_n(&from->to_bytes, __ATOMIC_RELAXED);
	sum->copies += __atomic_load_n(&from->copies, __ATOMIC_RELAXED);
	for (unsigned int r = 0; r < DROP_REASON_COUNT; r++)
		sum->drops[r] += __atomic_load_n(&from->drops[r], __ATOMIC_RELAXED);
}
