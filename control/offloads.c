/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * What guests and devices do of checksums and segmentation. Called on the control thread: by
 * vhost_socket.c before a guest negotiates, by publish.c for views, by nic_start.c when a device is
 * configured, by show.c, and by main.c for the buffers.
 */
#include "control/offloads.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "control/pool_plan.h"

#define BIT(feature) (UINT64_C(1) << (feature))

/* UFO cuts datagrams into fragments, which Linux itself gave up. rte_vhost knows no USO. */
#define NEVER (BIT(VIRTIO_NET_F_HOST_UFO) | BIT(VIRTIO_NET_F_GUEST_UFO))

#define SEGMENT_MBUFS 4095   /* more than a device's ring holds of them */
#define REFERENCE_MBUFS 8191 /* up to three to a segment */
#define GUARD_BYTES 8

static const struct {
	const char *name;
	uint8_t feature;
} virtio_names[] = {
	/* what the guest may leave to us */
	{"csum", VIRTIO_NET_F_CSUM},
	{"tso4", VIRTIO_NET_F_HOST_TSO4},
	{"tso6", VIRTIO_NET_F_HOST_TSO6},
	{"tso_ecn", VIRTIO_NET_F_HOST_ECN},
	/* what we may leave to the guest */
	{"guest_csum", VIRTIO_NET_F_GUEST_CSUM},
	{"guest_tso4", VIRTIO_NET_F_GUEST_TSO4},
	{"guest_tso6", VIRTIO_NET_F_GUEST_TSO6},
	{"guest_ecn", VIRTIO_NET_F_GUEST_ECN},
};

static const struct {
	const char *name;
	bool rx;
	uint64_t bit;
} device_names[] = {
	{"tcp_csum", false, RTE_ETH_TX_OFFLOAD_TCP_CKSUM},
	{"udp_csum", false, RTE_ETH_TX_OFFLOAD_UDP_CKSUM},
	{"ipv4_csum", false, RTE_ETH_TX_OFFLOAD_IPV4_CKSUM},
	{"tso", false, RTE_ETH_TX_OFFLOAD_TCP_TSO},
	{"chains", false, RTE_ETH_TX_OFFLOAD_MULTI_SEGS},
	{"rx_tcp_csum", true, RTE_ETH_RX_OFFLOAD_TCP_CKSUM},
	{"rx_udp_csum", true, RTE_ETH_RX_OFFLOAD_UDP_CKSUM},
};

#define TX_CSUM (RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM)
#define RX_CSUM (RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM)

uint64_t
offloads_withheld(bool wanted)
{
	uint64_t features = NEVER;

	for (size_t i = 0; !wanted && i < RTE_DIM(virtio_names); i++)
		features |= BIT(virtio_names[i].feature);
	return features;
}

void
offloads_of_guest(uint64_t features, struct endpoint *ep)
{
	/* A guest's ring takes any chain: rte_vhost copies. */
	ep->takes = OFFLOAD_CHAINS;
	if (features & BIT(VIRTIO_NET_F_GUEST_CSUM))
		ep->takes |= OFFLOAD_CSUM;
	if (features & BIT(VIRTIO_NET_F_GUEST_TSO4))
		ep->takes |= OFFLOAD_TSO4;
	if (features & BIT(VIRTIO_NET_F_GUEST_TSO6))
		ep->takes |= OFFLOAD_TSO6;
	/* rte_vhost looks at a frame's header if one of these was negotiated. */
	ep->gives = (features & (BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) |
				 BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_HOST_ECN))) != 0;
}

/* Its offloads are loops over the payload, one frame at a time. */
static bool
is_software(const char *driver)
{
	return strcmp(driver, "net_tap") == 0 || strcmp(driver, "net_vhost") == 0;
}

uint64_t
offloads_for_tx(const struct rte_eth_dev_info *info, bool wanted)
{
	uint64_t has = info->tx_offload_capa, take = has & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;

	if (!wanted || is_software(info->driver_name) || (has & TX_CSUM) != TX_CSUM)
		return take;
	take |= TX_CSUM;
	/* A large frame is a chain. net_virtio does without IPV4_CKSUM. */
	if (has & RTE_ETH_TX_OFFLOAD_MULTI_SEGS)
		take |= has & (RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM);
	return take;
}

uint64_t
offloads_for_rx(const struct rte_eth_dev_info *info, bool wanted)
{
	if (!wanted || is_software(info->driver_name))
		return 0;
	return info->rx_offload_capa & RX_CSUM;
}

void
offloads_of_device(uint64_t tx, uint64_t rx, struct endpoint *ep)
{
	ep->takes = 0;
	if (tx & RTE_ETH_TX_OFFLOAD_MULTI_SEGS)
		ep->takes |= OFFLOAD_CHAINS;
	if ((tx & TX_CSUM) == TX_CSUM)
		ep->takes |= OFFLOAD_CSUM;
	if (tx & RTE_ETH_TX_OFFLOAD_TCP_TSO)
		ep->takes |= OFFLOAD_TSO4 | OFFLOAD_TSO6;
	if (tx & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM)
		ep->takes |= OFFLOAD_IP_CSUM;
	ep->gives = (rx & RX_CSUM) != 0;
}

json_t *
offloads_json_guest(uint64_t features)
{
	json_t *array = json_array();

	for (size_t i = 0; i < RTE_DIM(virtio_names); i++)
		if (features & BIT(virtio_names[i].feature))
			json_array_append_new(array, json_string(virtio_names[i].name));
	return array;
}

json_t *
offloads_json_device(uint64_t tx, uint64_t rx)
{
	json_t *array = json_array();

	for (size_t i = 0; i < RTE_DIM(device_names); i++)
		if ((device_names[i].rx ? rx : tx) & device_names[i].bit)
			json_array_append_new(array, json_string(device_names[i].name));
	return array;
}

int
offloads_pools_create(struct offload_pools *pools, struct errmsg *e)
{
	pools->direct = rte_pktmbuf_pool_create("segments", SEGMENT_MBUFS, POOL_CACHE, 0,
						RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	pools->indirect = rte_pktmbuf_pool_create("references", REFERENCE_MBUFS, POOL_CACHE, 0, 0,
						  SOCKET_ID_ANY);
	if (pools->direct != NULL && pools->indirect != NULL)
		return 0;
	offloads_pools_free(pools);
	return err_set(e, -ENOMEM,
		       "no memory for %d buffers: more hugepages, or more of -m in `eal`",
		       SEGMENT_MBUFS + REFERENCE_MBUFS);
}

void
offloads_pools_free(struct offload_pools *pools)
{
	rte_mempool_free(pools->direct);
	rte_mempool_free(pools->indirect);
	*pools = (struct offload_pools){0};
}

static void
guard(struct rte_mempool *pool, void *arg, void *object, unsigned int index)
{
	struct rte_mbuf *m = object;

	(void)pool;
	(void)arg;
	(void)index;
	m->buf_len -= GUARD_BYTES;
}

void
offloads_guard_pool(struct rte_mempool *pool)
{
	rte_mempool_obj_iter(pool, guard, NULL);
}
