/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Chooses among a guest's queues by flow. Called by workers, for ports with several queues only.
 * Headers are a stranger's: nothing beyond the first segment's data is read.
 */
#include "dataplane/flow_hash.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_jhash.h>
#include <rte_net.h>

#define L4_PORTS_SIZE 4 /* source and destination port of TCP, UDP and SCTP */

struct flow {
	uint32_t addresses[8];
	uint32_t ports;
	uint32_t proto;
};

static void
read_ports(struct flow *flow, const struct rte_mbuf *m, const struct rte_net_hdr_lens *lens,
	   uint32_t ptype)
{
	uint32_t at = lens->l2_len + lens->l3_len;
	uint32_t l4 = ptype & RTE_PTYPE_L4_MASK;

	if (l4 != RTE_PTYPE_L4_TCP && l4 != RTE_PTYPE_L4_UDP && l4 != RTE_PTYPE_L4_SCTP)
		return; /* fragments have no ports: all of a datagram must hash alike */
	if (at + L4_PORTS_SIZE <= m->data_len)
		memcpy(&flow->ports, rte_pktmbuf_mtod_offset(m, void *, at), L4_PORTS_SIZE);
	flow->proto = l4;
}

uint32_t
flow_hash(const struct rte_mbuf *m)
{
	const uint32_t layers = RTE_PTYPE_L2_MASK | RTE_PTYPE_L3_MASK | RTE_PTYPE_L4_MASK;
	struct rte_net_hdr_lens lens = {0};
	struct flow flow = {0};
	uint32_t ptype;

	if (m->ol_flags & RTE_MBUF_F_RX_RSS_HASH)
		return m->hash.rss;
	ptype = rte_net_get_ptype(m, &lens, layers);
	if (RTE_ETH_IS_IPV4_HDR(ptype) &&
	    lens.l2_len + sizeof(struct rte_ipv4_hdr) <= m->data_len) {
		const struct rte_ipv4_hdr *ip =
			rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, lens.l2_len);

		flow.addresses[0] = ip->src_addr;
		flow.addresses[1] = ip->dst_addr;
		read_ports(&flow, m, &lens, ptype);
	} else if (RTE_ETH_IS_IPV6_HDR(ptype) &&
		   lens.l2_len + sizeof(struct rte_ipv6_hdr) <= m->data_len) {
		memcpy(flow.addresses,
		       rte_pktmbuf_mtod_offset(m, const uint8_t *,
					       lens.l2_len +
						       offsetof(struct rte_ipv6_hdr, src_addr)),
		       sizeof(flow.addresses));
		read_ports(&flow, m, &lens, ptype);
	} else {
		memcpy(flow.addresses, rte_pktmbuf_mtod(m, void *), 2 * RTE_ETHER_ADDR_LEN);
	}
	return rte_jhash_32b((const uint32_t *)&flow, sizeof(flow) / sizeof(uint32_t), 0);
}
