/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Frames with unfinished checksums or larger than the wire takes: what a guest says about them is
 * checked against the frame, once, and put into the mbuf; checksums are completed. Called by the
 * worker whose burst it is. What is not proved here is not looked at again, so nothing is believed:
 * lengths, protocols and offsets are read from the frame itself.
 */
#include "dataplane/offload.h"

#include <errno.h>
#include <rte_ip.h>
#include <rte_net.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#define MAX_L3_LEN 511 /* what the mbuf's bit field holds */
#define IP_FLAGS (RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6)
#define NEEDS (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG | IP_FLAGS)

/* What a frame's headers are; all of them in its first buffer. */
struct headers {
	uint16_t l2, l3, l4; /* lengths */
	uint8_t proto;
	bool ipv4;
	uint32_t l4_bytes; /* header and payload, as the IP header says */
};

/* Tags, options and IPv6 extension headers are skipped; fragments and tunnels are not TCP or UDP.
 */
static bool
parse(const struct rte_mbuf *m, struct headers *h)
{
	struct rte_net_hdr_lens lens = {0};
	uint32_t ptype = rte_net_get_ptype(
		m, &lens, RTE_PTYPE_L2_MASK | RTE_PTYPE_L3_MASK | RTE_PTYPE_L4_MASK);
	uint32_t l4 = ptype & RTE_PTYPE_L4_MASK;

	if (l4 != RTE_PTYPE_L4_TCP && l4 != RTE_PTYPE_L4_UDP)
		return false;
	h->proto = l4 == RTE_PTYPE_L4_TCP ? IPPROTO_TCP : IPPROTO_UDP;
	h->ipv4 = RTE_ETH_IS_IPV4_HDR(ptype) != 0;
	h->l2 = lens.l2_len;
	h->l3 = lens.l3_len;
	h->l4 = lens.l4_len;
	if (h->l3 > MAX_L3_LEN || h->l2 + h->l3 + h->l4 > rte_pktmbuf_data_len(m))
		return false;
	return h->proto == IPPROTO_UDP || h->l4 >= sizeof(struct rte_tcp_hdr);
}

/* Is the datagram as long as its headers say? Not asked of a large TCP frame, whose lengths are
 * written anew for each segment. */
static bool
measure(const struct rte_mbuf *m, struct headers *h)
{
	const char *ip = rte_pktmbuf_mtod_offset(m, const char *, h->l2);
	uint32_t bytes;

	if (h->ipv4)
		bytes = rte_be_to_cpu_16(((const struct rte_ipv4_hdr *)ip)->total_length);
	else
		bytes = rte_be_to_cpu_16(((const struct rte_ipv6_hdr *)ip)->payload_len) +
			(uint32_t)sizeof(struct rte_ipv6_hdr);
	if (bytes < (uint32_t)h->l3 + h->l4 || bytes > rte_pktmbuf_pkt_len(m) - h->l2)
		return false;
	h->l4_bytes = bytes - h->l3;
	return h->proto == IPPROTO_TCP ||
	       rte_be_to_cpu_16(((const struct rte_udp_hdr *)(ip + h->l3))->dgram_len) ==
		       h->l4_bytes;
}

static void
describe(struct rte_mbuf *m, const struct headers *h)
{
	m->tx_offload = 0;
	m->l2_len = h->l2;
	m->l3_len = h->l3;
	m->l4_len = h->l4;
	m->ol_flags |=
		(h->ipv4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6) |
		(h->proto == IPPROTO_TCP ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM);
}

/* Aligned: all lengths before it are even, as is where a buffer's data begins. */
static rte_be16_t *
checksum_field(const struct rte_mbuf *m)
{
	bool udp = (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM;
	size_t offset = udp ? offsetof(struct rte_udp_hdr, dgram_cksum)
			    : offsetof(struct rte_tcp_hdr, cksum);

	return rte_pktmbuf_mtod_offset(m, rte_be16_t *, m->l2_len + m->l3_len + offset);
}

/* The sum of the pseudo header of an admitted frame, in network order, not complemented. */
static uint16_t
pseudo_sum(const struct rte_mbuf *m, uint32_t l4_bytes)
{
	const char *ip = rte_pktmbuf_mtod_offset(m, const char *, m->l2_len);
	bool udp = (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM;
	const struct rte_ipv4_hdr *ip4 = (const struct rte_ipv4_hdr *)ip;
	const struct rte_ipv6_hdr *ip6 = (const struct rte_ipv6_hdr *)ip;
	uint32_t sum = m->ol_flags & RTE_MBUF_F_TX_IPV4
			       ? rte_raw_cksum(&ip4->src_addr, 2 * sizeof(ip4->src_addr))
			       : rte_raw_cksum(&ip6->src_addr, 2 * sizeof(ip6->src_addr));

	sum += rte_cpu_to_be_16((uint16_t)l4_bytes);
	sum += RTE_BE16(udp ? IPPROTO_UDP : IPPROTO_TCP);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

static uint32_t
l4_bytes_of(const struct rte_mbuf *m)
{
	const char *ip = rte_pktmbuf_mtod_offset(m, const char *, m->l2_len);

	if (m->ol_flags & RTE_MBUF_F_TX_IPV4)
		return rte_be_to_cpu_16(((const struct rte_ipv4_hdr *)ip)->total_length) -
		       m->l3_len;
	return rte_be_to_cpu_16(((const struct rte_ipv6_hdr *)ip)->payload_len) +
	       (uint32_t)sizeof(struct rte_ipv6_hdr) - m->l3_len;
}

/*
 * The sum of len bytes from off on. rte_raw_cksum_mbuf of 22.11 loses carries where a buffer begins
 * at an odd offset, as segments of an odd size have it.
 */
static uint16_t
sum_of(const struct rte_mbuf *m, uint32_t off, uint32_t len)
{
	uint32_t sum = 0, done = 0;

	for (; m != NULL && done < len; m = m->next) {
		uint32_t n;
		uint16_t part;

		if (off >= m->data_len) {
			off -= m->data_len;
			continue;
		}
		n = RTE_MIN(m->data_len - off, len - done);
		part = rte_raw_cksum(rte_pktmbuf_mtod_offset(m, const char *, off), n);
		sum += done % 2 == 0 ? part : rte_bswap16(part);
		done += n;
		off = 0;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* Completes from the sum of the pseudo header, whoever made it. */
static void
complete_from(struct rte_mbuf *m, uint32_t l4_bytes, uint16_t pseudo)
{
	rte_be16_t *field = checksum_field(m);
	uint32_t sum;

	*field = 0;
	sum = pseudo + (uint32_t)sum_of(m, m->l2_len + m->l3_len, l4_bytes);
	sum = (sum & 0xffff) + (sum >> 16);
	*field = (uint16_t)~sum;
	/* RFC 768: 0 means that there is no checksum. */
	if (*field == 0 && (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM)
		*field = 0xffff;
	m->ol_flags &= ~NEEDS;
}

void
offload_complete(struct rte_mbuf *m)
{
	uint32_t l4_bytes = l4_bytes_of(m);

	/* Always of our own pseudo header: the field may hold rte_vhost's for another receiver, and
	 * that of a frame that a guest forwards may lack the length. */
	complete_from(m, l4_bytes, pseudo_sum(m, l4_bytes));
}

void
offload_complete_segment(struct rte_mbuf *s, const struct rte_mbuf *whole)
{
	uint32_t whole_bytes = rte_pktmbuf_pkt_len(whole) - whole->l2_len - whole->l3_len;
	uint32_t l4_bytes = l4_bytes_of(s), sum;

	if (s->ol_flags & RTE_MBUF_F_TX_IPV4 || s->l3_len == sizeof(struct rte_ipv6_hdr)) {
		offload_complete(s);
		return;
	}
	/* As in offload_admit the address that counts may be in an extension header, but the guest
	 * has summed it up: only the length is another one. */
	sum = *checksum_field(whole);
	sum += (uint16_t)~rte_cpu_to_be_16((uint16_t)whole_bytes);
	sum += rte_cpu_to_be_16((uint16_t)l4_bytes);
	sum = (sum & 0xffff) + (sum >> 16);
	complete_from(s, l4_bytes, (uint16_t)((sum & 0xffff) + (sum >> 16)));
}

static int
admit_large(struct rte_mbuf *m, const struct headers *h, uint16_t segsz, uint32_t max_frame)
{
	uint32_t header = (uint32_t)h->l2 + h->l3 + h->l4;
	uint32_t payload = rte_pktmbuf_pkt_len(m) - header;

	if (h->proto != IPPROTO_TCP || segsz == 0 || payload == 0 ||
	    (payload + segsz - 1) / segsz > OFFLOAD_MAX_SEGMENTS)
		return -EINVAL;
	if (max_frame != 0 && header + segsz > max_frame)
		return -EMSGSIZE;
	describe(m, h);
	m->tso_segsz = segsz;
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	return 0;
}

int
offload_admit(struct rte_mbuf *m, uint32_t max_frame)
{
	uint64_t flags = m->ol_flags & OFFLOAD_SEEN;
	struct headers h = {0};

	/* The rest of the flags is for frames whose checksums are complete. */
	if (!(flags & RTE_MBUF_F_RX_LRO) &&
	    (flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) != RTE_MBUF_F_RX_L4_CKSUM_NONE)
		return 0;
	m->ol_flags &= ~OFFLOAD_SEEN;
	if (!parse(m, &h))
		return -EINVAL;
	if (flags & RTE_MBUF_F_RX_LRO &&
	    rte_pktmbuf_pkt_len(m) > (uint32_t)h.l2 + h.l3 + h.l4 + m->tso_segsz)
		return admit_large(m, &h, m->tso_segsz, max_frame);
	if (!measure(m, &h))
		return -EINVAL;
	describe(m, &h);
	/* Neither rte_net nor every NIC finds the protocol and the last address behind extension
	 * headers. The guest does: the field has its sum. */
	if (!h.ipv4 && h.l3 != sizeof(struct rte_ipv6_hdr))
		complete_from(m, h.l4_bytes, *checksum_field(m));
	return 0;
}

uint16_t
offload_admit_burst(struct rte_mbuf **pkts, uint16_t n, uint32_t max_frame,
		    struct counters *counters)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		int err = offload_admit(m, max_frame);

		if (likely(err == 0)) {
			pkts[kept++] = m;
			continue;
		}
		counters->from_packets++;
		counters->from_bytes += rte_pktmbuf_pkt_len(m);
		counters->drops[err == -EMSGSIZE ? DROP_TOO_BIG : DROP_BAD_OFFLOAD]++;
		rte_pktmbuf_free(m);
	}
	return kept;
}

void
offload_mark_verified(struct rte_mbuf *m)
{
	struct headers h = {0};

	m->ol_flags &= ~RTE_MBUF_F_RX_L4_CKSUM_MASK;
	if (!parse(m, &h) || !measure(m, &h) || (!h.ipv4 && h.l3 != sizeof(struct rte_ipv6_hdr)))
		return;
	/* A UDP frame without a checksum stays one. */
	if (h.proto == IPPROTO_UDP &&
	    rte_pktmbuf_mtod_offset(m, const struct rte_udp_hdr *, h.l2 + h.l3)->dgram_cksum == 0)
		return;
	/* rte_vhost writes the pseudo header's sum when it copies the frame. */
	describe(m, &h);
}
