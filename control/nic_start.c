/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Queues, buffers and start of one ethdev. Called by nic.c on the control thread, when a device is
 * opened and after a reset.
 */
#include "control/nic_start.h"

#include <errno.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <string.h>

#include "control/nic_bond.h"
#include "control/nic_wake.h"
#include "control/offloads.h"
#include "control/pool_plan.h"

#define DESCRIPTORS 1024
#define PORT_QUEUE_DESCRIPTORS 256 /* a port's own queue has one receiver to wait for */

static int
make_pool(struct nic *nic, const struct nic_wants *wants, const struct rte_eth_dev_info *info,
	  struct errmsg *e)
{
	const struct pool_nic_facts facts = {
		.rx_descriptors =
			(uint32_t)nic->shared_queues * DESCRIPTORS +
			(uint32_t)(nic->rx_queues - nic->shared_queues) * PORT_QUEUE_DESCRIPTORS,
		.tx_descriptors = (uint32_t)nic->tx_queues * DESCRIPTORS,
		.n_workers = wants->workers};
	uint32_t mbufs = pool_nic_mbufs(&facts);
	uint32_t room = RTE_MBUF_DEFAULT_DATAROOM;
	char name[RTE_MEMPOOL_NAMESIZE];

	/* Without scatter a frame needs one buffer; room for growth up to the usual jumbo sizes is
	 * only paid for by who asks for it. */
	if (!(info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER))
		room = RTE_MAX(room, RTE_ALIGN_CEIL(nic->mtu + FRAME_OVERHEAD, 64));
	room = RTE_MAX(room, nic->frame_room);
	if (room > 8192)
		mbufs = RTE_MIN(mbufs, 2048U);
	snprintf(name, sizeof(name), "nic_%u", nic->ethdev);
	nic->pool =
		rte_pktmbuf_pool_create(name, mbufs, POOL_CACHE, 0,
					(uint16_t)(room + RTE_PKTMBUF_HEADROOM), nic->socket_id);
	if (nic->pool == NULL)
		return err_set(
			e, -ENOMEM,
			"%s: no memory for %u receive buffers of %u bytes: more hugepages, or "
			"more of -m in `eal`",
			wants->name, mbufs, room);
	return 0;
}

static int
choose_queues(struct nic *nic, const struct nic_wants *wants, const struct rte_eth_dev_info *info,
	      bool with_port_queues, struct errmsg *e)
{
	uint32_t tx = RTE_MAX(wants->workers, wants->max_workers);
	uint32_t rx = wants->rx_queues;

	if (rx > info->max_rx_queues)
		return err_set(e, -EINVAL, "%s: queues %u: device '%s' has 1 to %u", wants->name,
			       rx, wants->device, info->max_rx_queues);
	if (rx == 0)
		rx = RTE_MIN(wants->workers, (uint32_t)info->max_rx_queues);
	nic->shared_queues = (uint16_t)rx;
	nic->rx_queues = (uint16_t)rx;
	if (with_port_queues)
		nic->rx_queues +=
			(uint16_t)RTE_MIN(info->max_rx_queues - rx, (uint32_t)MAX_PORT_NIC_QUEUES);
	nic->tx_queues = (uint16_t)RTE_MIN(tx, (uint32_t)info->max_tx_queues);
	nic->bond_tx_queue = nic_bond_wants_queue(nic);
	if (nic->bond_tx_queue && nic->tx_queues == info->max_tx_queues) {
		if (nic->tx_queues == 1)
			return err_set(e, -ENOTSUP,
				       "%s: LACP needs members with two transmit queues",
				       wants->name);
		nic->tx_queues--;
	}
	return 0;
}

static int
set_up_queues(struct nic *nic, struct errmsg *e, const char *name)
{
	uint16_t rxd = DESCRIPTORS, txd = DESCRIPTORS, own = PORT_QUEUE_DESCRIPTORS;
	int err = rte_eth_dev_adjust_nb_rx_tx_desc(nic->ethdev, &own, &txd);

	txd = DESCRIPTORS;
	if (err == 0)
		err = rte_eth_dev_adjust_nb_rx_tx_desc(nic->ethdev, &rxd, &txd);
	for (uint16_t q = 0; err == 0 && q < nic->rx_queues; q++)
		err = rte_eth_rx_queue_setup(nic->ethdev, q, q < nic->shared_queues ? rxd : own,
					     (unsigned int)nic->socket_id, NULL, nic->pool);
	for (uint16_t q = 0; err == 0 && q < nic->tx_queues + nic->bond_tx_queue; q++)
		err = rte_eth_tx_queue_setup(nic->ethdev, q, txd, (unsigned int)nic->socket_id,
					     NULL);
	nic->tx_descriptors = txd * (nic->bond != NULL ? RTE_MAX(nic->bond->n, 1U) : 1);
	if (err == 0)
		return 0;
	return err_set(e, err, "%s: the driver refused %u receive and %u transmit queues: %s", name,
		       nic->rx_queues, nic->tx_queues, rte_strerror(-err));
}

/* Transmit queues for workers to come are not worth a refusal; and net_tap wants as many as it has
 * receive queues. */
static int
configure_queues(struct nic *nic, const struct nic_wants *wants, const struct rte_eth_conf *conf)
{
	const uint16_t fewer[] = {(uint16_t)RTE_MIN(wants->workers, (uint32_t)nic->tx_queues),
				  RTE_MIN(nic->rx_queues, nic->tx_queues)};
	int err = rte_eth_dev_configure(nic->ethdev, nic->rx_queues,
					nic->tx_queues + nic->bond_tx_queue, conf);

	for (size_t i = 0; err != 0 && i < RTE_DIM(fewer); i++) {
		if (fewer[i] == nic->tx_queues)
			continue;
		nic->tx_queues = fewer[i];
		err = rte_eth_dev_configure(nic->ethdev, nic->rx_queues,
					    nic->tx_queues + nic->bond_tx_queue, conf);
	}
	return err;
}

static int
configure(struct nic *nic, const struct nic_wants *wants, const struct rte_eth_dev_info *info,
	  struct errmsg *e)
{
	struct rte_eth_conf conf = {0};
	int err;

	conf.rxmode.mtu = RTE_MIN(nic->mtu, (uint32_t)RTE_ETHER_MTU);
	nic->rx_offloads = offloads_for_rx(info, wants->offloads);
	nic->tx_offloads = offloads_for_tx(info, wants->offloads);
	conf.rxmode.offloads =
		(info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) | nic->rx_offloads;
	conf.intr_conf.rxq = nic->rx_events;
	conf.intr_conf.rmv = (*info->dev_flags & RTE_ETH_DEV_INTR_RMV) != 0;
	conf.txmode.offloads = nic->tx_offloads;
	if (nic->shared_queues > 1 && info->flow_type_rss_offloads != 0) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		/* ethdev refuses it without RSS. */
		conf.rxmode.offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_RSS_HASH;
		conf.rx_adv_conf.rss_conf.rss_hf =
			info->flow_type_rss_offloads &
			(RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
	}
	if (!(conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS))
		nic_note(nic,
			 "the driver sends no chained buffers: frames over %u bytes from "
			 "guests are lost",
			 RTE_MBUF_DEFAULT_DATAROOM);
	err = configure_queues(nic, wants, &conf);
	if (err != 0)
		return err_set(e, err, "%s: device '%s' refused its configuration: %s", wants->name,
			       wants->device, rte_strerror(-err));
	return set_up_queues(nic, e, wants->name);
}

/* RSS over the shared queues only: what comes by a port's own queue is not looked up. */
static void
spread_over_shared(struct nic *nic, const struct rte_eth_dev_info *info)
{
	struct rte_eth_rss_reta_entry64 reta[RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE];

	if (nic->shared_queues < 2 || nic->rx_queues == nic->shared_queues ||
	    info->reta_size == 0 || info->reta_size > RTE_ETH_RSS_RETA_SIZE_512)
		return;
	memset(reta, 0, sizeof(reta));
	for (uint16_t i = 0; i < info->reta_size; i++) {
		reta[i / RTE_ETH_RETA_GROUP_SIZE].mask |= UINT64_C(1)
							  << (i % RTE_ETH_RETA_GROUP_SIZE);
		reta[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] =
			i % nic->shared_queues;
	}
	if (rte_eth_dev_rss_reta_update(nic->ethdev, reta, info->reta_size) != 0)
		nic_note(nic, "RSS cannot be kept out of the ports' own queues");
}

/* Queues, buffers and start. with_port_queues: take queues for ports too. */
static int
start(struct nic *nic, const struct nic_wants *wants, const struct rte_eth_dev_info *info,
      bool with_port_queues, struct errmsg *e)
{
	int err = choose_queues(nic, wants, info, with_port_queues, e);

	if (err == 0 && nic->pool == NULL)
		err = make_pool(nic, wants, info, e);
	if (err == 0)
		err = configure(nic, wants, info, e);
	if (err == 0 && nic->mtu != RTE_ETHER_MTU)
		err = nic_set_mtu(nic, nic->mtu, e);
	if (err != 0)
		return err;
	err = rte_eth_dev_start(nic->ethdev);
	if (err != 0)
		return err_set(e, err, "%s: device '%s' does not start: %s", wants->name,
			       wants->device, rte_strerror(-err));
	spread_over_shared(nic, info);
	nic_wake_find(nic);
	return 0;
}

/* Receive interrupts are worth a try, not a refusal; a bond has none of its members'. */
static int
start_anyhow(struct nic *nic, const struct nic_wants *wants, const struct rte_eth_dev_info *info,
	     bool with_port_queues, struct errmsg *e)
{
	int err;

	nic->may_sleep = wants->may_sleep;
	nic->rx_events = wants->may_sleep && nic->bond == NULL;
	err = start(nic, wants, info, with_port_queues, e);
	if (err == 0 || !nic->rx_events)
		return err;
	nic->rx_events = false;
	return start(nic, wants, info, with_port_queues, e);
}

int
nic_start(struct nic *nic, const struct nic_wants *wants, const struct rte_eth_dev_info *info,
	  struct errmsg *e)
{
	int err = start_anyhow(nic, wants, info, wants->port_queues_useful != NULL, e);

	if (err == 0 && nic->rx_queues > nic->shared_queues && !wants->port_queues_useful(nic)) {
		rte_eth_dev_stop(nic->ethdev);
		if (rte_mempool_full(nic->pool)) { /* and a smaller one is enough */
			rte_mempool_free(nic->pool);
			nic->pool = NULL;
		}
		err = start_anyhow(nic, wants, info, false, e);
	}
	return err;
}

int
nic_restart(struct nic *nic, const struct nic_wants *wants, const struct rte_eth_dev_info *info,
	    struct errmsg *e)
{
	return start_anyhow(nic, wants, info, nic->rx_queues > nic->shared_queues, e);
}
