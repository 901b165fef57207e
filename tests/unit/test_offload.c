/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * What a guest says about its frames: what is right becomes flags and lengths, what is not is
 * refused, and completed checksums are right by a plain computation.
 */
#include "tests/unit/offload_fixture.h"

#include <errno.h>

#define LEFT RTE_MBUF_F_RX_L4_CKSUM_NONE
#define LARGE (RTE_MBUF_F_RX_LRO | RTE_MBUF_F_RX_L4_CKSUM_NONE)
#define MAX_FRAME 1518

static struct built built;
static uint8_t flat[FLAT];

/* The frame's bytes but for its L4 checksum are as built, and that is right. */
static void
assert_complete(const struct recipe *r, const struct rte_mbuf *m)
{
	uint32_t n = flatten(m, flat), l4_bytes = built.n - built.l4;
	uint32_t field = built.l4 + (r->proto == UDP ? 6 : 16);

	assert_int_equal(n, built.n);
	assert_int_equal(l4_sum(&built, flat, r->v6, r->proto, l4_bytes), 0xffff);
	assert_true(r->proto != UDP || get16(flat + field) != 0);
	memcpy(built.bytes + field, flat + field, 2);
	assert_memory_equal(flat, built.bytes, n);
	assert_int_equal(m->ol_flags & (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG), 0);
}

static const struct recipe good[] = {
	{.proto = TCP, .payload = 1000},
	{.proto = TCP, .payload = 0},
	{.proto = TCP, .payload = 1001, .tcp_options = 12, .options = 8},
	{.proto = UDP, .payload = 777},
	{.proto = UDP, .payload = 0, .tags = 1},
	{.proto = TCP, .payload = 999, .tags = 1},
	{.proto = TCP, .payload = 998, .tags = 2},
	{.v6 = true, .proto = TCP, .payload = 1000},
	{.v6 = true, .proto = UDP, .payload = 501, .tags = 2},
	{.v6 = true, .proto = TCP, .payload = 333, .tags = 1, .tcp_options = 20},
	{.proto = TCP, .payload = 8001, .buffer = 501},
	{.v6 = true, .proto = UDP, .payload = 8000, .buffer = 333},
};

static void
checksums_are_completed(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(good); i++) {
		const struct recipe *r = &good[i];
		struct rte_mbuf *m = frame_of(r, &built, LEFT);

		assert_int_equal(offload_admit(m, MAX_FRAME), 0);
		assert_int_equal(m->ol_flags & OFFLOAD_SEEN, 0);
		assert_int_equal(m->ol_flags & (RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6),
				 r->v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4);
		assert_int_equal(m->ol_flags & RTE_MBUF_F_TX_L4_MASK,
				 r->proto == UDP ? RTE_MBUF_F_TX_UDP_CKSUM
						 : RTE_MBUF_F_TX_TCP_CKSUM);
		assert_int_equal(m->l2_len, built.l2);
		assert_int_equal(m->l3_len, built.l3);
		assert_int_equal(m->l4_len, built.l4_header);
		/* rte_vhost's own pseudo header may have replaced the guest's meanwhile */
		rte_pktmbuf_mtod(m, uint8_t *)[built.l4 + (r->proto == UDP ? 7 : 17)] ^= 0x5a;
		offload_complete(m);
		assert_complete(r, m);
		rte_pktmbuf_free(m);
	}
	assert_nothing_leaked();
}

/* A receiver would take 0 for "no checksum": what sums up to 0 is sent as 0xffff. */
static void
udp_checksum_is_never_zero(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct recipe r = {.v6 = v6, .proto = UDP, .payload = 64};
		struct rte_mbuf *m = frame_of(&r, &built, LEFT);
		uint32_t sum;

		put16(built.bytes + built.l4 + 6, 0);
		put16(built.bytes + built.l4 + 8, 0);
		sum = l4_sum(&built, built.bytes, r.v6, UDP, 72);
		put16(rte_pktmbuf_mtod_offset(m, uint8_t *, built.l4 + 8), 0xffff ^ sum);
		assert_int_equal(offload_admit(m, 0), 0);
		offload_complete(m);
		assert_int_equal(get16(rte_pktmbuf_mtod_offset(m, uint8_t *, built.l4 + 6)),
				 0xffff);
		rte_pktmbuf_free(m);
	}
}

/* Not every receiver finds TCP behind extension headers: complete at once. */
static void
extension_headers(void **state)
{
	static const struct recipe recipes[] = {
		{.v6 = true, .proto = TCP, .payload = 900, .options = 8},
		{.v6 = true, .proto = TCP, .payload = 900, .routing = true},
		{.v6 = true, .proto = UDP, .payload = 901, .options = 24, .tags = 1},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(recipes); i++) {
		struct rte_mbuf *m = frame_of(&recipes[i], &built, LEFT);

		assert_int_equal(offload_admit(m, MAX_FRAME), 0);
		assert_complete(&recipes[i], m);
		rte_pktmbuf_free(m);
	}
}

static void
large_frames(void **state)
{
	static const struct recipe recipes[] = {
		{.proto = TCP, .payload = 60000, .tcp_options = 12},
		{.v6 = true, .proto = TCP, .payload = 60000, .tcp_options = 12},
		{.proto = TCP, .payload = 1449, .tags = 1},
		{.v6 = true, .proto = TCP, .payload = 20000, .options = 16},
		/* lengths are written anew, so a wrong one does not matter */
		{.proto = TCP, .payload = 30000, .length_error = -29000},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(recipes); i++) {
		const struct recipe *r = &recipes[i];
		struct rte_mbuf *m = frame_of(r, &built, LARGE);

		m->tso_segsz = 1400;
		assert_int_equal(offload_admit(m, MAX_FRAME), 0);
		assert_true(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG);
		assert_int_equal(m->tso_segsz, 1400);
		assert_int_equal(m->l2_len + m->l3_len, built.l4);
		assert_int_equal(m->l4_len, built.l4_header);
		rte_pktmbuf_free(m);
	}
}

/* One segment's worth is no large frame. */
static void
small_large_frame(void **state)
{
	struct recipe r = {.proto = TCP, .payload = 1400};
	struct rte_mbuf *m = frame_of(&r, &built, LARGE);

	(void)state;
	m->tso_segsz = 1400;
	assert_int_equal(offload_admit(m, MAX_FRAME), 0);
	assert_false(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG);
	offload_complete(m);
	assert_complete(&r, m);
	rte_pktmbuf_free(m);
}

static void
nonsense_is_refused(void **state)
{
	static const struct {
		struct recipe r;
		uint64_t flags;
		uint16_t segsz;
		uint32_t cut; /* bytes that are left; 0: all */
		int error;
	} rows[] = {
		{{.proto = TCP, .payload = 5000}, LARGE, 0, 0, -EINVAL},
		{{.proto = TCP, .payload = 60000}, LARGE, 200, 0, -EINVAL}, /* 300 segments */
		{{.proto = TCP, .payload = 60000}, LARGE, 1, 0, -EINVAL},
		{{.proto = TCP, .payload = 60000}, LARGE, 1465, 0, -EMSGSIZE},
		{{.proto = TCP, .payload = 60000}, LARGE, 65000, 0, 0}, /* one: too big as it is */
		{{.proto = UDP, .payload = 60000}, LARGE, 1400, 0, -EINVAL},
		{{.proto = SCTP, .payload = 60000}, LARGE, 1400, 0, -EINVAL},
		{{.proto = TCP, .payload = 5000, .fragment = 0x2000}, LARGE, 1400, 0, -EINVAL},
		{{.proto = TCP, .payload = 5000, .fragment = 100}, LARGE, 1400, 0, -EINVAL},
		{{.v6 = true, .proto = TCP, .payload = 5000, .fragment = 1},
		 LARGE,
		 1400,
		 0,
		 -EINVAL},
		{{.proto = SCTP, .payload = 100}, LEFT, 0, 0, -EINVAL},
		{{.proto = GRE, .payload = 100}, LEFT, 0, 0, -EINVAL},
		{{.proto = TCP, .payload = 100, .length_error = 1}, LEFT, 0, 0, -EINVAL},
		{{.proto = TCP, .payload = 100, .length_error = -101}, LEFT, 0, 0, -EINVAL},
		{{.proto = UDP, .payload = 100, .length_error = -1}, LEFT, 0, 0, -EINVAL},
		{{.v6 = true, .proto = TCP, .payload = 100, .length_error = 1},
		 LEFT,
		 0,
		 0,
		 -EINVAL},
		{{.proto = TCP, .payload = 100}, LEFT, 0, 14, -EINVAL},
		{{.proto = TCP, .payload = 100}, LEFT, 0, 33, -EINVAL},
		{{.proto = TCP, .payload = 100}, LEFT, 0, 53, -EINVAL},
		{{.proto = TCP, .payload = 100, .tcp_options = 40}, LEFT, 0, 93, -EINVAL},
		{{.v6 = true, .proto = TCP, .payload = 100}, LEFT, 0, 60, -EINVAL},
		{{.proto = TCP, .payload = 0}, LARGE, 1, 54, 0}, /* nothing to cut */
		/* headers that are not in one piece */
		{{.proto = TCP, .payload = 100, .buffer = 40}, LEFT, 0, 0, -EINVAL},
		{{.proto = TCP, .payload = 5000, .buffer = 53}, LARGE, 1400, 0, -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		struct rte_mbuf *m;
		int err;

		build(&rows[i].r, &built);
		leave_checksum(&rows[i].r, &built);
		m = chain_of(built.bytes, rows[i].cut != 0 ? rows[i].cut : built.n,
			     rows[i].r.buffer);
		m->ol_flags |= rows[i].flags;
		m->tso_segsz = rows[i].segsz;
		err = offload_admit(m, MAX_FRAME);
		if (err != rows[i].error)
			fail_msg("row %zu: %d", i, err);
		rte_pktmbuf_free(m);
	}
	assert_nothing_leaked();
}

/* A TCP header whose length field is too small to be one. */
static void
tcp_header_too_short(void **state)
{
	struct recipe r = {.proto = TCP, .payload = 3000};
	struct rte_mbuf *m = frame_of(&r, &built, LARGE);

	(void)state;
	m->tso_segsz = 1000;
	rte_pktmbuf_mtod(m, uint8_t *)[built.l4 + 12] = 4 << 4;
	assert_int_equal(offload_admit(m, 0), -EINVAL);
	rte_pktmbuf_free(m);
}

/* Random bytes under random claims: refused or admitted, but never read or written beyond. */
static void
random_frames(void **state)
{
	static const uint8_t starts[][16] = {
		{[12] = 0x08, 0x00, 0x45}, {[12] = 0x86, 0xdd, 0x60}, {[12] = 0x81, 0x00}, {0}};

	(void)state;
	srand(1);
	for (int i = 0; i < 200000; i++) {
		uint32_t n = 14U + (uint32_t)rand() % 200;
		struct rte_mbuf *m;

		for (uint32_t k = 0; k < n; k++)
			built.bytes[k] = (uint8_t)rand();
		memcpy(built.bytes, starts[i % 4], 15);
		built.bytes[i % 4 == 0 ? 23 : 20] = rand() % 2 ? TCP : UDP;
		m = chain_of(built.bytes, n, (uint16_t)(14 + rand() % 200));
		m->ol_flags |= rand() % 2 ? LEFT : LARGE;
		m->tso_segsz = (uint16_t)(rand() % 70);
		if (offload_admit(m, MAX_FRAME) == 0 && m->ol_flags & RTE_MBUF_F_TX_L4_MASK &&
		    !(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG))
			offload_complete(m);
		rte_pktmbuf_free(m);
	}
	assert_nothing_leaked();
}

/* Frames without needs are not looked at; a refused one is counted as come and gone. */
static void
bursts(void **state)
{
	struct recipe fine = {.proto = TCP, .payload = 100}, bad = {.proto = SCTP, .payload = 100};
	struct counters c = {0};
	struct rte_mbuf *pkts[4], *kept[3];

	(void)state;
	pkts[0] = frame_of(&fine, &built, RTE_MBUF_F_RX_RSS_HASH);
	assert_false(offload_seen(pkts, 1));
	pkts[1] = frame_of(&bad, &built, LEFT);
	pkts[2] = frame_of(&fine, &built, LEFT);
	pkts[3] = frame_of(&fine, &built, RTE_MBUF_F_RX_L4_CKSUM_GOOD);
	kept[0] = pkts[0];
	kept[1] = pkts[2];
	kept[2] = pkts[3];
	assert_true(offload_seen(pkts, 4));
	assert_int_equal(offload_admit_burst(pkts, 4, MAX_FRAME, &c), 3);
	assert_memory_equal(pkts, kept, sizeof(kept));
	assert_int_equal(c.from_packets, 1);
	assert_int_equal(c.from_bytes, built.n);
	assert_int_equal(c.drops[DROP_BAD_OFFLOAD], 1);
	assert_int_equal(pkts[0]->ol_flags & RTE_MBUF_F_TX_L4_MASK, 0);
	assert_int_equal(pkts[2]->ol_flags & RTE_MBUF_F_TX_L4_MASK, 0);
	rte_pktmbuf_free_bulk(pkts, 3);
	assert_nothing_leaked();
}

static void
verified_frames(void **state)
{
	struct recipe no_checksum = {.proto = UDP, .payload = 600};
	struct rte_mbuf *m;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(good); i++) {
		m = frame_of(&good[i], &built, LEFT);
		assert_int_equal(offload_admit(m, 0), 0);
		offload_complete(m);
		m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		offload_mark_verified(m);
		assert_int_equal(m->ol_flags & RTE_MBUF_F_TX_L4_MASK,
				 good[i].proto == UDP ? RTE_MBUF_F_TX_UDP_CKSUM
						      : RTE_MBUF_F_TX_TCP_CKSUM);
		assert_int_equal(m->ol_flags & OFFLOAD_SEEN, 0);
		offload_complete(m); /* for a further receiver that wants it whole */
		assert_complete(&good[i], m);
		rte_pktmbuf_free(m);
	}
	m = frame_of(&no_checksum, &built, RTE_MBUF_F_RX_L4_CKSUM_GOOD);
	put16(rte_pktmbuf_mtod_offset(m, uint8_t *, built.l4 + 6), 0);
	offload_mark_verified(m);
	assert_int_equal(m->ol_flags & RTE_MBUF_F_TX_L4_MASK, 0);
	rte_pktmbuf_free(m);
	assert_nothing_leaked();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checksums_are_completed),
		cmocka_unit_test(udp_checksum_is_never_zero),
		cmocka_unit_test(extension_headers),
		cmocka_unit_test(large_frames),
		cmocka_unit_test(small_large_frame),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(tcp_header_too_short),
		cmocka_unit_test(random_frames),
		cmocka_unit_test(bursts),
		cmocka_unit_test(verified_frames),
	};

	return cmocka_run_group_tests(tests, eal_setup, NULL);
}
