/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Checksums and segmentation, as Intel's NICs do them: the hardware adds up what the driver left in
 * the checksum field and the bytes from there on, and knows nothing of pseudo headers. Who sends a
 * frame without rte_eth_tx_prepare, or with wrong lengths, gets a wrong checksum on the wire.
 */
#include <errno.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_net.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "tests/simnic/simnic.h"

#define L4_RX (RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM)

void
simnic_offload_info(const struct simnic_args *args, struct rte_eth_dev_info *info)
{
	if (!args->offloads)
		return;
	info->tx_offload_capa |= RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM |
				 RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO;
	info->rx_offload_capa |= L4_RX;
}

uint16_t
simnic_prepare(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	const struct simnic_queue *q = queue;

	for (uint16_t i = 0; i < n; i++) {
		if (pkts[i]->nb_segs > q->nic->args.buffers) {
			rte_errno = EINVAL;
			return i;
		}
		if (rte_net_intel_cksum_prepare(pkts[i]) != 0) {
			rte_errno = ENOTSUP;
			return i;
		}
	}
	return n;
}

uint32_t
simnic_pieces(const struct rte_mbuf *m)
{
	uint32_t header = m->l2_len + m->l3_len + m->l4_len;

	if (!(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) || m->tso_segsz == 0 || m->pkt_len <= header)
		return 1;
	return (m->pkt_len - header + m->tso_segsz - 1) / m->tso_segsz;
}

static uint16_t
fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* What differs between the segments of m. */
static void
write_segment_headers(const struct rte_mbuf *m, uint8_t *frame, uint32_t len, uint32_t i, bool last)
{
	struct rte_ipv4_hdr *ip4 = (struct rte_ipv4_hdr *)(frame + m->l2_len);
	struct rte_ipv6_hdr *ip6 = (struct rte_ipv6_hdr *)(frame + m->l2_len);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(frame + m->l2_len + m->l3_len);

	if (m->ol_flags & RTE_MBUF_F_TX_IPV4) {
		ip4->total_length = rte_cpu_to_be_16((uint16_t)(len - m->l2_len));
		ip4->packet_id = rte_cpu_to_be_16((uint16_t)(rte_be_to_cpu_16(ip4->packet_id) + i));
	} else {
		ip6->payload_len = rte_cpu_to_be_16((uint16_t)(len - m->l2_len - sizeof(*ip6)));
	}
	tcp->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + i * m->tso_segsz);
	if (i > 0)
		tcp->tcp_flags &= (uint8_t)~RTE_TCP_CWR_FLAG;
	if (!last)
		tcp->tcp_flags &= (uint8_t) ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
}

static void
write_checksums(const struct rte_mbuf *m, uint8_t *frame, uint32_t len, bool segment)
{
	bool udp = (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM;
	uint32_t l4 = m->l2_len + m->l3_len, sum;
	struct rte_ipv4_hdr *ip4 = (struct rte_ipv4_hdr *)(frame + m->l2_len);
	uint16_t *field = (uint16_t *)(frame + l4 + (udp ? 6 : 16));

	if (m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM)
		ip4->hdr_checksum = (uint16_t)~rte_raw_cksum(ip4, m->l3_len);
	if (!(m->ol_flags & RTE_MBUF_F_TX_L4_MASK))
		return;
	sum = rte_raw_cksum(frame + l4, len - l4);
	if (segment) /* the driver left the length out */
		sum += rte_cpu_to_be_16((uint16_t)(len - l4));
	*field = (uint16_t)~fold(sum);
	if (udp && *field == 0)
		*field = 0xffff;
}

uint32_t
simnic_piece(struct simnic *s, const struct rte_mbuf *m, uint32_t i)
{
	uint8_t *frame = (uint8_t *)s->frame;
	uint32_t header = m->l2_len + m->l3_len + m->l4_len, n = simnic_pieces(m), len = m->pkt_len;
	const void *data;

	if (n > 1) {
		uint32_t at = header + i * m->tso_segsz;
		uint32_t payload = RTE_MIN(len - at, (uint32_t)m->tso_segsz);

		data = rte_pktmbuf_read(m, 0, header, frame);
		if (data != frame)
			memcpy(frame, data, header);
		data = rte_pktmbuf_read(m, at, payload, frame + header);
		if (data != frame + header)
			memcpy(frame + header, data, payload);
		len = header + payload;
		write_segment_headers(m, frame, len, i, i + 1 == n);
	} else {
		data = rte_pktmbuf_read(m, 0, len, frame);
		if (data != frame)
			memcpy(frame, data, len);
	}
	if (s->dev->data->dev_conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_TCP_CKSUM)
		write_checksums(m, frame, len, n > 1);
	return len;
}

void
simnic_verify(const struct simnic *s, struct rte_mbuf *m)
{
	struct rte_net_hdr_lens lens;
	uint32_t ptype;
	const char *ip, *l4;
	bool good;

	if (!(s->dev->data->dev_conf.rxmode.offloads & L4_RX))
		return;
	ptype = rte_net_get_ptype(m, &lens, RTE_PTYPE_ALL_MASK) &
		(RTE_PTYPE_L3_MASK | RTE_PTYPE_L4_MASK);
	if ((ptype & RTE_PTYPE_L4_MASK) != RTE_PTYPE_L4_TCP &&
	    (ptype & RTE_PTYPE_L4_MASK) != RTE_PTYPE_L4_UDP)
		return;
	ip = rte_pktmbuf_mtod_offset(m, const char *, lens.l2_len);
	l4 = ip + lens.l3_len;
	if (RTE_ETH_IS_IPV4_HDR(ptype))
		good = rte_ipv4_udptcp_cksum_verify((const void *)ip, l4) == 0;
	else
		good = rte_ipv6_udptcp_cksum_verify((const void *)ip, l4) == 0;
	m->ol_flags |= good ? RTE_MBUF_F_RX_L4_CKSUM_GOOD : RTE_MBUF_F_RX_L4_CKSUM_BAD;
}
