/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Large frames cut into segments, byte by byte against a plain construction of each segment.
 */
#include "tests/unit/offload_fixture.h"

#include <errno.h>

enum { FIN = 1, PSH = 8, ACK = 16, ECE = 64, CWR = 128 };

static struct built built;
static uint8_t flat[FLAT], want[FLAT];
static struct rte_mbuf *out[OFFLOAD_MAX_SEGMENTS];

/* The i-th segment of n as it should be, with its checksums; its length. */
static uint32_t
expected(const struct recipe *r, uint16_t segsz, uint32_t i, uint32_t n)
{
	uint32_t header = built.l4 + built.l4_header, from = i * segsz;
	uint32_t payload = RTE_MIN((uint32_t)segsz, r->payload - from);
	uint32_t l4_bytes = built.l4_header + payload, seq = get32(built.bytes + built.l4 + 4);
	uint8_t *ip = want + built.l2, *tcp = want + built.l4;

	memcpy(want, built.bytes, header);
	memcpy(want + header, built.bytes + header + from, payload);
	if (r->v6) {
		put16(ip + 4, built.l3 - 40 + l4_bytes);
	} else {
		put16(ip + 2, built.l3 + l4_bytes);
		put16(ip + 4, 0xfffe + i);
		put16(ip + 10, 0);
		put16(ip + 10, 0xffff ^ plain_sum(0, ip, built.l3));
	}
	put16(tcp + 4, (seq + from) >> 16);
	put16(tcp + 6, seq + from);
	if (i > 0)
		tcp[13] &= (uint8_t)~CWR;
	if (i + 1 < n)
		tcp[13] &= (uint8_t) ~(FIN | PSH);
	put16(tcp + 16, 0);
	put16(tcp + 16, 0xffff ^ l4_sum(&built, want, r->v6, TCP, l4_bytes));
	return header + payload;
}

static const struct recipe recipes[] = {
	{.proto = TCP, .payload = 60000, .tcp_options = 12, .tcp_flags = ACK | PSH},
	{.proto = TCP, .payload = 2801, .tcp_flags = ACK | PSH | FIN | CWR | ECE},
	{.proto = TCP, .payload = 1401, .options = 12, .tcp_flags = ACK | FIN, .tags = 1},
	{.proto = TCP, .payload = 14000, .tags = 2, .tcp_options = 40, .tcp_flags = ACK},
	{.proto = TCP, .payload = 9999, .buffer = 333, .tcp_flags = ACK | CWR},
	{.proto = TCP, .payload = 5000, .buffer = 54, .tcp_flags = ACK}, /* header alone */
	{.v6 = true, .proto = TCP, .payload = 60000, .tcp_options = 12, .tcp_flags = ACK | PSH},
	{.v6 = true, .proto = TCP, .payload = 2801, .tcp_flags = ACK | PSH | FIN | CWR | ECE},
	{.v6 = true, .proto = TCP, .payload = 8000, .options = 16, .tcp_flags = ACK | PSH},
	{.v6 = true, .proto = TCP, .payload = 8000, .routing = true, .tcp_flags = ACK},
	{.v6 = true, .proto = TCP, .payload = 8001, .tags = 2, .buffer = 500, .tcp_flags = ACK},
};

static struct rte_mbuf *
large(const struct recipe *r, uint16_t segsz)
{
	struct rte_mbuf *m = frame_of(r, &built, RTE_MBUF_F_RX_LRO | RTE_MBUF_F_RX_L4_CKSUM_NONE);

	m->tso_segsz = segsz;
	assert_int_equal(offload_admit(m, 0), 0);
	assert_true(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG);
	return m;
}

static void
check_cut(const struct recipe *r, uint16_t segsz, uint8_t takes)
{
	struct rte_mbuf *m = large(r, segsz);
	uint64_t flags = m->ol_flags;
	uint32_t count = ((uint32_t)r->payload + segsz - 1) / segsz;
	int n = segment_frame(&pools, m, takes, out, OFFLOAD_MAX_SEGMENTS);

	assert_int_equal(n, count);
	/* the whole frame is as it was: somebody else may take it */
	assert_int_equal(m->ol_flags, flags);
	assert_int_equal(flatten(m, flat), built.n);
	assert_memory_equal(flat, built.bytes, built.n);
	rte_pktmbuf_free(m);
	for (int i = 0; i < n; i++) {
		uint32_t len = expected(r, segsz, (uint32_t)i, count);

		assert_int_equal(out[i]->pkt_len, len);
		rte_mbuf_sanity_check(out[i], 1);
		if (!(takes & OFFLOAD_CHAINS))
			assert_int_equal(out[i]->nb_segs, 1);
		if (takes & OFFLOAD_CSUM && !(r->v6 && built.l3 > 40)) {
			assert_int_equal(out[i]->ol_flags & RTE_MBUF_F_TX_L4_MASK,
					 RTE_MBUF_F_TX_TCP_CKSUM);
			assert_int_equal(out[i]->l2_len + out[i]->l3_len, built.l4);
			offload_complete(out[i]); /* as the receiver would */
		}
		assert_int_equal(out[i]->ol_flags & (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG),
				 0);
		assert_int_equal(flatten(out[i], flat), len);
		assert_memory_equal(flat, want, len);
	}
	rte_pktmbuf_free_bulk(out, (unsigned int)n);
	assert_nothing_leaked();
}

static void
segments_are_right(void **state)
{
	static const uint8_t takes[] = {0, OFFLOAD_CHAINS, OFFLOAD_CSUM,
					OFFLOAD_CSUM | OFFLOAD_CHAINS};
	static const uint16_t sizes[] = {1400, 536, 1};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(recipes); i++)
		for (size_t t = 0; t < RTE_DIM(takes); t++)
			for (size_t s = 0; s < RTE_DIM(sizes); s++) {
				if (recipes[i].payload / sizes[s] < OFFLOAD_MAX_SEGMENTS &&
				    recipes[i].payload > sizes[s])
					check_cut(&recipes[i], sizes[s], takes[t]);
			}
}

/* Segments of a jumbo frame's size do not fit into one buffer. */
static void
jumbo_segments(void **state)
{
	static const struct recipe v4 = {.proto = TCP, .payload = 40000, .tcp_flags = ACK},
				   v6 = {.v6 = true, .proto = TCP, .payload = 40000};

	(void)state;
	check_cut(&v4, 8948, OFFLOAD_CHAINS);
	check_cut(&v6, 8928, OFFLOAD_CHAINS);
}

/* Without room or buffers nothing is left behind. */
static void
no_room_and_no_buffers(void **state)
{
	struct rte_mbuf *held[1023];

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct recipe r = {.v6 = v6, .proto = TCP, .payload = 20000};
		struct rte_mbuf *m = large(&r, 1000);
		unsigned int n = 0;

		assert_int_equal(segment_frame(&pools, m, OFFLOAD_CHAINS, out, 19), -EINVAL);
		assert_int_equal(rte_mempool_in_use_count(pools.direct), 0);
		while (n < RTE_DIM(held) && rte_mempool_avail_count(pools.direct) > 10)
			held[n++] = rte_pktmbuf_alloc(pools.direct);
		assert_int_equal(segment_frame(&pools, m, OFFLOAD_CHAINS, out, 256), -ENOMEM);
		assert_int_equal(rte_mempool_in_use_count(pools.direct), n);
		rte_pktmbuf_free_bulk(held, n);
		rte_pktmbuf_free(m);
		assert_nothing_leaked();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_are_right),
		cmocka_unit_test(jumbo_segments),
		cmocka_unit_test(no_room_and_no_buffers),
	};

	return cmocka_run_group_tests(tests, eal_setup, NULL);
}
