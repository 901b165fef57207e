/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * The device as ethdev sees it: made and removed by the vdev bus, configured, started, stopped, its
 * link, MTU and counters. Loaded into macvswitchd with the EAL's option -d; tests only.
 */
#include "tests/simnic/simnic.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ethdev_vdev.h>
#include <rte_malloc.h>

RTE_LOG_REGISTER_DEFAULT(simnic_logtype, NOTICE)

static int
dev_configure(struct rte_eth_dev *dev)
{
	struct simnic *s = simnic_of(dev);

	pthread_mutex_lock(&s->lock);
	s->rss = (dev->data->dev_conf.rxmode.mq_mode & RTE_ETH_MQ_RX_RSS_FLAG) != 0 &&
		 dev->data->dev_conf.rx_adv_conf.rss_conf.rss_hf != 0;
	simnic_reta_default(s);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static void
update_link(struct rte_eth_dev *dev, const struct simnic *s)
{
	struct rte_eth_link link = {
		.link_speed = RTE_ETH_SPEED_NUM_10G,
		.link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
		.link_autoneg = RTE_ETH_LINK_AUTONEG,
		.link_status = s->started && s->link_up && !s->removed ? RTE_ETH_LINK_UP
								       : RTE_ETH_LINK_DOWN,
	};

	rte_eth_linkstatus_set(dev, &link);
}

static int
dev_start(struct rte_eth_dev *dev)
{
	struct simnic *s = simnic_of(dev);

	pthread_mutex_lock(&s->lock);
	simnic_drain_wire(s); /* what came meanwhile met a NIC that was off */
	s->started = true;
	s->calls.start++;
	update_link(dev, s);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int
dev_stop(struct rte_eth_dev *dev)
{
	struct simnic *s = simnic_of(dev);

	pthread_mutex_lock(&s->lock);
	s->started = false;
	s->calls.stop++;
	simnic_flush_rings(s);
	if (!s->args.flow_keep) {
		simnic_flow_kill(s);
		simnic_changed(s);
	}
	update_link(dev, s);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

/* What an application answers a reset event with. ethdev's own memory of addresses goes too, as
 * with the drivers that have this function. */
static int
dev_reset(struct rte_eth_dev *dev)
{
	struct simnic *s = simnic_of(dev);

	pthread_mutex_lock(&s->lock);
	s->calls.reset++;
	simnic_forget(s);
	memset(dev->data->mac_addrs, 0, s->args.macs * sizeof(*dev->data->mac_addrs));
	memset(dev->data->mac_pool_sel, 0, sizeof(dev->data->mac_pool_sel));
	dev->data->mac_addrs[0] = s->args.mac;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int
dev_close(struct rte_eth_dev *dev)
{
	struct simnic *s = simnic_of(dev);

	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return 0;
	simnic_ctl_close(s);
	simnic_flush_rings(s);
	simnic_flow_free(s);
	if (s->wire >= 0) {
		close(s->wire);
		unlink(s->args.wire);
	}
	pthread_mutex_destroy(&s->lock);
	return 0;
}

static int
dev_info(struct rte_eth_dev *dev, struct rte_eth_dev_info *info)
{
	const struct simnic_args *args = &simnic_of(dev)->args;

	info->max_rx_queues = (uint16_t)args->queues;
	info->max_tx_queues = (uint16_t)args->queues;
	info->max_mac_addrs = args->macs;
	info->min_mtu = RTE_ETHER_MIN_MTU;
	info->max_mtu = SIMNIC_MAX_MTU;
	info->max_rx_pktlen = SIMNIC_MAX_MTU + SIMNIC_OVERHEAD;
	info->min_rx_bufsize = 0;
	info->tx_offload_capa = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	info->rx_desc_lim = (struct rte_eth_desc_lim){.nb_max = 4096, .nb_min = 32, .nb_align = 1};
	info->tx_desc_lim = info->rx_desc_lim;
	info->speed_capa = RTE_ETH_LINK_SPEED_10G;
	if (args->rss) {
		info->rx_offload_capa = RTE_ETH_RX_OFFLOAD_RSS_HASH;
		info->flow_type_rss_offloads = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;
		info->reta_size = SIMNIC_RETA;
		info->hash_key_size = 40;
	}
	simnic_offload_info(args, info);
	if (args->flow_keep)
		info->dev_capa |= RTE_ETH_DEV_CAPA_FLOW_RULE_KEEP;
	return 0;
}

static int
link_update(struct rte_eth_dev *dev, __rte_unused int wait_to_complete)
{
	struct simnic *s = simnic_of(dev);

	pthread_mutex_lock(&s->lock);
	update_link(dev, s);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int
mtu_set(struct rte_eth_dev *dev, __rte_unused uint16_t mtu)
{
	struct simnic *s = simnic_of(dev);
	int err;

	pthread_mutex_lock(&s->lock);
	err = s->faults[FAULT_MTU_BUSY] && s->started ? -EBUSY : 0;
	pthread_mutex_unlock(&s->lock);
	return err; /* ethdev keeps the value, and the datapath reads it there */
}

static int
is_removed(struct rte_eth_dev *dev)
{
	return simnic_of(dev)->removed;
}

static int
stats_get(struct rte_eth_dev *dev, struct rte_eth_stats *stats)
{
	struct simnic *s = simnic_of(dev);

	pthread_mutex_lock(&s->lock);
	for (uint32_t q = 0; q < s->args.queues; q++) {
		if (s->rxq[q] != NULL) {
			stats->ipackets += s->rxq[q]->packets;
			stats->ibytes += s->rxq[q]->bytes;
		}
		if (s->rxq[q] != NULL && q < RTE_ETHDEV_QUEUE_STAT_CNTRS)
			stats->q_ipackets[q] = s->rxq[q]->packets;
	}
	stats->imissed = s->n.missed;
	stats->ierrors = s->n.too_long;
	stats->rx_nombuf = s->n.no_mbuf;
	stats->opackets = s->n.sent;
	stats->obytes = s->n.sent_bytes;
	stats->oerrors = s->n.lost_link_down + s->n.lost_no_peer;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static void
fill_ops(struct simnic *s)
{
	s->ops = (struct eth_dev_ops){
		.dev_configure = dev_configure,
		.dev_start = dev_start,
		.dev_stop = dev_stop,
		.dev_reset = dev_reset,
		.dev_close = dev_close,
		.dev_infos_get = dev_info,
		.link_update = link_update,
		.mtu_set = mtu_set,
		.is_removed = is_removed,
		.stats_get = stats_get,
		.flow_ops_get = simnic_flow_ops_get,
	};
	simnic_filter_ops(&s->ops, &s->args);
	simnic_queue_ops(&s->ops);
}

/* The device's own part; ethdev's slot is there already. On error dev_close cleans up. */
static int
set_up(struct simnic *s, struct rte_eth_dev *dev)
{
	dev->data->mac_addrs =
		rte_zmalloc("simnic_macs", s->args.macs * sizeof(*dev->data->mac_addrs), 0);
	if (dev->data->mac_addrs == NULL)
		return -ENOMEM;
	dev->data->mac_addrs[0] = s->args.mac;
	fill_ops(s);
	dev->dev_ops = &s->ops;
	dev->rx_pkt_burst = simnic_rx;
	dev->tx_pkt_burst = simnic_tx;
	dev->tx_pkt_prepare = simnic_prepare;
	dev->data->dev_flags |=
		RTE_ETH_DEV_INTR_LSC | RTE_ETH_DEV_INTR_RMV | RTE_ETH_DEV_AUTOFILL_QUEUE_XSTATS;
	s->dev = dev;
	s->link_up = true;
	LIST_INIT(&s->flows);
	simnic_forget(s);
	if (s->args.wire[0] != '\0') {
		s->wire = simnic_bind(s->args.wire, SOCK_DGRAM);
		if (s->wire < 0)
			return s->wire;
	}
	s->peer.sun_family = AF_UNIX;
	memcpy(s->peer.sun_path, s->args.peer, sizeof(s->peer.sun_path));
	return simnic_ctl_open(s);
}

static int
simnic_probe(struct rte_vdev_device *vdev)
{
	struct simnic_args args;
	struct rte_eth_dev *dev;
	struct simnic *s;
	int err = simnic_parse_args(&args, rte_vdev_device_args(vdev));

	if (err != 0)
		return err;
	if (vdev->device.numa_node == SOCKET_ID_ANY)
		vdev->device.numa_node = (int)rte_socket_id();
	dev = rte_eth_vdev_allocate(vdev, sizeof(*s));
	if (dev == NULL)
		return -ENOMEM;
	s = simnic_of(dev);
	s->args = args;
	s->wire = s->ctl = s->ctl_wake[0] = s->ctl_wake[1] = -1;
	pthread_mutex_init(&s->lock, NULL);
	err = set_up(s, dev);
	if (err != 0) {
		SIMNIC_LOG(ERR, "%s: not made: %s\n", rte_vdev_device_name(vdev), strerror(-err));
		dev_close(dev);
		rte_eth_dev_release_port(dev);
		return err;
	}
	rte_eth_dev_probing_finish(dev);
	return 0;
}

static int
simnic_remove(struct rte_vdev_device *vdev)
{
	struct rte_eth_dev *dev = rte_eth_dev_allocated(rte_vdev_device_name(vdev));

	return dev == NULL ? 0 : rte_eth_dev_close(dev->data->port_id);
}

static struct rte_vdev_driver simnic_driver = {.probe = simnic_probe, .remove = simnic_remove};

RTE_PMD_REGISTER_VDEV(net_simnic, simnic_driver);
RTE_PMD_REGISTER_PARAM_STRING(
	net_simnic,
	"queues=<n> macs=<n> mcs=<n> flows=<n> promisc=<0|1> allmulti=<0|1> "
	"count=<0|1> flow_bypass=<0|1> flow_keep=<0|1> mac_multicast=<0|1> "
	"rss=<0|1> offloads=<0|1> buffers=<n> mac=<address> wire=<path> peer=<path> ctl=<path>");
