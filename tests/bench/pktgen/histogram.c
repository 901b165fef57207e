/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * Latencies in buckets whose width grows with the value: 64 of them between a power of two and the
 * next. Filled by pktgen's one thread for each frame received, read when the run is over.
 */
#include "tests/bench/pktgen/pktgen.h"

static unsigned int
bucket(uint64_t value)
{
	int shift = value >> HISTOGRAM_BITS == 0 ? 0 : 63 - __builtin_clzll(value) - HISTOGRAM_BITS;

	return ((unsigned int)shift << HISTOGRAM_BITS) + (value >> shift);
}

/* The largest value that falls into the bucket. */
static uint64_t
bucket_end(unsigned int index)
{
	unsigned int shift = index >> HISTOGRAM_BITS;
	uint64_t mantissa = index & ((1u << HISTOGRAM_BITS) - 1);

	if (shift == 0)
		return index;
	shift--; /* above the first two rows, a row begins with its highest bit set */
	return ((mantissa + (1u << HISTOGRAM_BITS) + 1) << shift) - 1;
}

void
histogram_add(struct histogram *h, uint64_t value)
{
	h->count++;
	if (value > h->max)
		h->max = value;
	h->buckets[bucket(value)]++;
}

uint64_t
histogram_quantile(const struct histogram *h, double share)
{
	uint64_t wanted = (uint64_t)(share * (double)h->count + 0.999999), sum = 0;

	for (unsigned int i = 0; h->count > 0 && i < HISTOGRAM_BUCKETS; i++) {
		sum += h->buckets[i];
		if (sum >= wanted && sum > 0)
			return bucket_end(i) < h->max ? bucket_end(i) : h->max;
	}
	return h->max;
}
