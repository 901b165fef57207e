/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

/*
 * Frames for the offload tests, built byte by byte, and checksums computed the plain way (RFC 1071,
 * two bytes at a time): nothing here uses what is under test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

#include "dataplane/offload.h"

#define FLAT 66000

enum { TCP = 6, UDP = 17, HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, GRE = 47, SCTP = 132 };

/* A frame to be built. */
struct recipe {
	bool routing; /* with an IPv6 routing header: the last address is in it */
	int tags;     /* 802.1Q; two: 802.1ad outside */
	bool v6;
	uint8_t proto;
	uint16_t options;    /* bytes of IPv4 options or of an IPv6 hop-by-hop header */
	uint8_t tcp_options; /* bytes */
	uint8_t tcp_flags;
	uint16_t payload;
	uint16_t fragment; /* IPv4: the field; IPv6: anything but 0 makes it a fragment */
	uint16_t buffer;   /* bytes of a buffer; 0: 2048 */
	int length_error;  /* added to the IP header's length */
};

/* What it became. */
struct built {
	uint8_t bytes[FLAT];
	uint32_t n, l2, l3, l4, l4_header;
	uint32_t addresses[2]; /* where those of the pseudo header are */
};

static struct rte_mempool *pool;
static struct offload_pools pools;

static inline int
eal_setup(void **state)
{
	static char *args[] = {"test",        "--no-huge",   "-m",      "128", "--no-pci",
			       "--no-shconf", "--log-level", "*:error", "-l",  "0"};

	(void)state;
	if (rte_eal_init(RTE_DIM(args), args) < 0)
		return -1;
	pool = rte_pktmbuf_pool_create("test", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	pools.direct = rte_pktmbuf_pool_create("direct", 511, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					       SOCKET_ID_ANY);
	pools.indirect = rte_pktmbuf_pool_create("indirect", 1023, 0, 0, 0, SOCKET_ID_ANY);
	return pool != NULL && pools.direct != NULL && pools.indirect != NULL ? 0 : -1;
}

static inline void
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline uint32_t
get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t
get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

static inline uint32_t
plain_sum(uint32_t sum, const uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i + 1 < n; i += 2)
		sum += get16(p + i);
	if (n % 2 != 0)
		sum += (uint32_t)p[n - 1] << 8;
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* The sum of the pseudo header for n bytes of protocol, and of these bytes of a frame laid out as b
 * is; a right checksum makes it 0xffff. */
static inline uint32_t
pseudo(const struct built *b, const uint8_t *frame, bool v6, uint8_t proto, uint32_t n)
{
	uint32_t sum = plain_sum(proto + n, frame + b->addresses[0], v6 ? 16 : 4);

	return plain_sum(sum, frame + b->addresses[1], v6 ? 16 : 4);
}

static inline uint32_t
l4_sum(const struct built *b, const uint8_t *frame, bool v6, uint8_t proto, uint32_t n)
{
	return plain_sum(pseudo(b, frame, v6, proto, n), frame + b->l4, n);
}

static inline uint32_t
put_ip(const struct recipe *r, struct built *b, uint32_t at, uint32_t l4_bytes)
{
	uint8_t *ip = b->bytes + at;

	memset(ip, 0, 64);
	if (!r->v6) {
		ip[0] = (uint8_t)(0x45 + r->options / 4);
		put16(ip + 2, (uint32_t)(20 + r->options + (int)l4_bytes + r->length_error));
		put16(ip + 4, 0xfffe); /* the identification wraps */
		put16(ip + 6, r->fragment);
		ip[8] = 64;
		ip[9] = r->proto;
		memcpy(ip + 12, "\x0a\x01\x02\x03\xc0\xa8\x07\x09", 8);
		memset(ip + 20, 1, r->options); /* no-operation */
		b->addresses[0] = at + 12;
		b->addresses[1] = at + 16;
		put16(ip + 10, 0xffff ^ plain_sum(0, ip, 20U + r->options));
		return 20U + r->options;
	}
	b->addresses[0] = at + 8;
	b->addresses[1] = at + 24;
	ip[0] = 0x60;
	ip[7] = 64;
	ip[6] = r->proto;
	for (int i = 0; i < 32; i++)
		ip[8 + i] = (uint8_t)(0x20 + 7 * i);
	if (r->fragment != 0) {
		ip[6] = FRAGMENT;
		ip[40] = r->proto;
		put16(ip + 42, r->fragment);
		put16(ip + 4, 8 + l4_bytes);
		return 48;
	}
	if (r->routing) {
		ip[6] = ROUTING;
		memcpy(ip + 40, "\x06\x02\x00\x01", 4); /* TCP; 24 bytes; type 0, one to go */
		memset(ip + 44, 0, 4);
		memset(ip + 48, 0x77, 16);
		b->addresses[1] = at + 48;
		put16(ip + 4, 24 + l4_bytes);
		return 64;
	}
	put16(ip + 4, (uint32_t)(r->options + (int)l4_bytes + r->length_error));
	if (r->options > 0) {
		memset(ip + 40, 0, r->options);
		ip[6] = HOP_BY_HOP;
		ip[40] = r->proto;
		ip[41] = (uint8_t)(r->options / 8 - 1);
		ip[42] = 1; /* padding */
		ip[43] = (uint8_t)(r->options - 4);
	}
	return 40U + r->options;
}

static inline uint32_t
put_l4(const struct recipe *r, uint8_t *l4)
{
	put16(l4, 1234);
	put16(l4 + 2, 5678);
	if (r->proto == UDP) {
		put16(l4 + 4, 8U + r->payload);
		put16(l4 + 6, 0);
		return 8;
	}
	put16(l4 + 4, 0xffff); /* the sequence number wraps */
	put16(l4 + 6, 0xff00);
	memcpy(l4 + 8, "\x01\x02\x03\x04", 4);
	l4[12] = (uint8_t)((20 + r->tcp_options) / 4 << 4);
	l4[13] = r->tcp_flags;
	put16(l4 + 14, 4096);
	put16(l4 + 16, 0);
	put16(l4 + 18, 0);
	memset(l4 + 20, 1, r->tcp_options);
	return 20U + r->tcp_options;
}

static inline void
build(const struct recipe *r, struct built *b)
{
	static const uint16_t types[3][2] = {{0}, {0x8100}, {0x88a8, 0x8100}};
	uint32_t header = r->proto == UDP ? 8 : 20U + r->tcp_options;

	memset(b, 0, sizeof(*b));
	memcpy(b->bytes, "\x52\x54\x00\x00\x00\x02\x52\x54\x00\x00\x00\x01", 12);
	b->l2 = 12;
	for (int i = 0; i < r->tags; i++, b->l2 += 4) {
		put16(b->bytes + b->l2, types[r->tags][i]);
		put16(b->bytes + b->l2 + 2, 100U + (uint32_t)i);
	}
	put16(b->bytes + b->l2, r->v6 ? 0x86dd : 0x0800);
	b->l2 += 2;
	b->l3 = put_ip(r, b, b->l2, header + r->payload);
	b->l4 = b->l2 + b->l3;
	b->l4_header = put_l4(r, b->bytes + b->l4);
	b->n = b->l4 + b->l4_header + r->payload;
	for (uint32_t i = 0; i < r->payload; i++)
		b->bytes[b->n - r->payload + i] = (uint8_t)(i * 7 + i / 251);
}

/* The virtio way: the field holds the sum of the pseudo header. */
static inline void
leave_checksum(const struct recipe *r, struct built *b)
{
	uint32_t n = b->n - b->l4;

	put16(b->bytes + b->l4 + (r->proto == UDP ? 6 : 16),
	      pseudo(b, b->bytes, r->v6, r->proto, n));
}

/* In buffers of so many bytes, as rte_vhost makes them. */
static inline struct rte_mbuf *
chain_of(const uint8_t *bytes, uint32_t n, uint16_t buffer)
{
	struct rte_mbuf *m = NULL;

	buffer = buffer == 0 ? 2048 : buffer;
	for (uint32_t at = 0; at < n; at += buffer) {
		uint16_t some = (uint16_t)RTE_MIN(n - at, (uint32_t)buffer);
		struct rte_mbuf *next = rte_pktmbuf_alloc(pool);

		assert_non_null(next);
		memcpy(rte_pktmbuf_append(next, some), bytes + at, some);
		if (m == NULL)
			m = next;
		else
			assert_int_equal(rte_pktmbuf_chain(m, next), 0);
	}
	return m;
}

static inline struct rte_mbuf *
frame_of(const struct recipe *r, struct built *b, uint64_t flags)
{
	struct rte_mbuf *m;

	build(r, b);
	leave_checksum(r, b);
	m = chain_of(b->bytes, b->n, r->buffer);
	m->ol_flags |= flags;
	return m;
}

static inline uint32_t
flatten(const struct rte_mbuf *m, uint8_t *bytes)
{
	uint32_t n = 0;

	for (; m != NULL; m = m->next) {
		memcpy(bytes + n, rte_pktmbuf_mtod(m, const void *), m->data_len);
		n += m->data_len;
	}
	return n;
}

static inline void
assert_nothing_leaked(void)
{
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	assert_int_equal(rte_mempool_in_use_count(pools.direct), 0);
	assert_int_equal(rte_mempool_in_use_count(pools.indirect), 0);
}
