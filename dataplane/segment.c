/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Cuts a large TCP frame into segments, for receivers that do not do it themselves. Called by the
 * worker whose burst it is. IPv4 is cut by rte_gso, which copies headers and refers to the payload;
 * it knows no IPv6, no devices without chained buffers, and neither checksums nor CWR: those are
 * here.
 */
#include <errno.h>
#include <rte_gso.h>
#include <rte_ip.h>
#include <rte_memcpy.h>
#include <rte_tcp.h>

#include "dataplane/offload.h"

/* Where the next byte of payload is. */
struct cursor {
	const struct rte_mbuf *buffer;
	uint32_t pos;
};

/* Appends len bytes from *at to m, in as many buffers as it takes. false: out of buffers. */
static bool
append(struct rte_mbuf *m, struct cursor *at, uint32_t len, struct rte_mempool *pool)
{
	while (len > 0) {
		struct rte_mbuf *last = rte_pktmbuf_lastseg(m);
		uint32_t n = RTE_MIN(len, (uint32_t)rte_pktmbuf_tailroom(last));

		if (at->pos == at->buffer->data_len) {
			at->buffer = at->buffer->next;
			at->pos = 0;
			continue;
		}
		if (n == 0) {
			struct rte_mbuf *more = rte_pktmbuf_alloc(pool);

			if (more == NULL || rte_pktmbuf_chain(m, more) != 0) {
				rte_pktmbuf_free(more);
				return false;
			}
			continue;
		}
		n = RTE_MIN(n, at->buffer->data_len - at->pos);
		rte_memcpy(rte_pktmbuf_append(m, (uint16_t)n),
			   rte_pktmbuf_mtod_offset(at->buffer, const char *, at->pos), n);
		at->pos += n;
		len -= n;
	}
	return true;
}

static struct rte_mbuf *
copy_segment(const struct rte_mbuf *m, struct cursor *at, uint32_t header, uint32_t payload,
	     struct rte_mempool *pool)
{
	struct cursor from_start = {.buffer = m};
	struct rte_mbuf *s = rte_pktmbuf_alloc(pool);

	if (s == NULL)
		return NULL;
	if (!append(s, &from_start, header, pool) || !append(s, at, payload, pool)) {
		rte_pktmbuf_free(s);
		return NULL;
	}
	return s;
}

static int
cut_by_copying(const struct offload_pools *pools, const struct rte_mbuf *m, uint32_t header,
	       struct rte_mbuf **out, uint16_t room)
{
	uint32_t left = rte_pktmbuf_pkt_len(m) - header;
	struct cursor at = {.buffer = m, .pos = header};
	uint16_t n = 0;

	while (left > 0) {
		uint32_t payload = RTE_MIN(left, (uint32_t)m->tso_segsz);
		struct rte_mbuf *s =
			n < room ? copy_segment(m, &at, header, payload, pools->direct) : NULL;

		if (s == NULL) {
			rte_pktmbuf_free_bulk(out, n);
			return n < room ? -ENOMEM : -EINVAL;
		}
		left -= payload;
		out[n++] = s;
	}
	return n;
}

static int
cut_by_library(const struct offload_pools *pools, struct rte_mbuf *m, uint32_t header,
	       struct rte_mbuf **out, uint16_t room)
{
	struct rte_gso_ctx gso = {.direct_pool = pools->direct,
				  .indirect_pool = pools->indirect,
				  .gso_types = RTE_ETH_TX_OFFLOAD_TCP_TSO,
				  .gso_size = (uint16_t)(header + m->tso_segsz)};
	uint64_t flags = m->ol_flags;
	int n = rte_gso_segment(m, &gso, out, room);

	m->ol_flags = flags; /* another receiver may take it whole */
	return n == 0 ? -EINVAL : n;
}

/* What differs between the segments of m; n of them. */
static void
write_headers(const struct rte_mbuf *m, struct rte_mbuf *s, uint16_t i, uint16_t n)
{
	struct rte_ipv4_hdr *ip4 = rte_pktmbuf_mtod_offset(s, struct rte_ipv4_hdr *, m->l2_len);
	struct rte_ipv6_hdr *ip6 = rte_pktmbuf_mtod_offset(s, struct rte_ipv6_hdr *, m->l2_len);
	uint32_t l4 = m->l2_len + m->l3_len;
	struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod_offset(s, struct rte_tcp_hdr *, l4);
	const struct rte_tcp_hdr *whole =
		rte_pktmbuf_mtod_offset(m, const struct rte_tcp_hdr *, l4);

	if (m->ol_flags & RTE_MBUF_F_TX_IPV4) {
		const struct rte_ipv4_hdr *first =
			rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, m->l2_len);

		ip4->total_length = rte_cpu_to_be_16((uint16_t)(s->pkt_len - m->l2_len));
		ip4->packet_id =
			rte_cpu_to_be_16((uint16_t)(rte_be_to_cpu_16(first->packet_id) + i));
		ip4->hdr_checksum = 0;
		ip4->hdr_checksum = rte_ipv4_cksum(ip4);
	} else {
		ip6->payload_len =
			rte_cpu_to_be_16((uint16_t)(s->pkt_len - m->l2_len - sizeof(*ip6)));
	}
	tcp->sent_seq =
		rte_cpu_to_be_32(rte_be_to_cpu_32(whole->sent_seq) + (uint32_t)i * m->tso_segsz);
	/* RFC 3168, 6.1.2: the window is reduced once. */
	if (i > 0)
		tcp->tcp_flags &= (uint8_t)~RTE_TCP_CWR_FLAG;
	if (i < n - 1)
		tcp->tcp_flags &= (uint8_t) ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
}

int
segment_frame(const struct offload_pools *pools, struct rte_mbuf *m, uint8_t takes,
	      struct rte_mbuf **out, uint16_t room)
{
	uint32_t header = m->l2_len + m->l3_len + m->l4_len;
	bool extended =
		m->ol_flags & RTE_MBUF_F_TX_IPV6 && m->l3_len != sizeof(struct rte_ipv6_hdr);
	int n;

	if (m->ol_flags & RTE_MBUF_F_TX_IPV4 && takes & OFFLOAD_CHAINS &&
	    header + m->tso_segsz <= UINT16_MAX)
		n = cut_by_library(pools, m, header, out, room);
	else
		n = cut_by_copying(pools, m, header, out, room);
	for (int i = 0; i < n; i++) {
		struct rte_mbuf *s = out[i];

		s->tx_offload = m->tx_offload;
		s->tso_segsz = 0;
		s->ol_flags = m->ol_flags &
			      (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6);
		write_headers(m, s, (uint16_t)i, (uint16_t)n);
		if (!(takes & OFFLOAD_CSUM) || extended)
			offload_complete_segment(s, m);
	}
	return n;
}
