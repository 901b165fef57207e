/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Opens, configures, follows and closes one ethdev. Called on the control thread by uplink.c (NICs)
 * and port.c (ports of the host's own stack). Features are asked of the driver, never assumed; what
 * is missing and what replaces it becomes a note that `uplink show` prints.
 */
#include "control/nic.h"

#include <bsd/string.h>
#include <errno.h>
#include <net/if.h>
#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "control/compat.h"
#include "control/kernel_if.h"
#include "control/log.h"
#include "control/nic_bond.h"
#include "control/nic_start.h"
#include "control/nic_wake.h"
#include "control/offloads.h"

#define AF_PACKET_HEADROOM 32  /* what TPACKET2_HDRLEN - sizeof(struct sockaddr_ll) takes */
#define AF_PACKET_FRAMESZ 2048 /* the driver's default */

void
nic_note(struct nic *nic, const char *fmt, ...)
{
	va_list ap;

	if (nic->n_notes == NIC_NOTES)
		return;
	va_start(ap, fmt);
	vsnprintf(nic->notes[nic->n_notes], NIC_NOTE_SIZE, fmt, ap);
	va_end(ap);
	for (uint32_t i = 0; i < nic->n_notes; i++)
		if (strcmp(nic->notes[i], nic->notes[nic->n_notes]) == 0)
			return;
	nic->n_notes++;
}

/* The value of key in devargs ("a,key=value,b=c") into buf; false: not there. */
static bool
devarg_value(const char *devargs, const char *key, char *buf, size_t size)
{
	size_t len = strlen(key);

	for (const char *p = strchr(devargs, ','); p != NULL; p = strchr(p, ',')) {
		p++;
		if (strncmp(p, key, len) != 0 || p[len] != '=')
			continue;
		strlcpy(buf, p + len + 1, size);
		buf[strcspn(buf, ",")] = '\0';
		return true;
	}
	return false;
}

/* net_af_packet copies through kernel frames of a fixed size and cuts what is longer. 0: no limit.
 */
static uint32_t
af_packet_framesz(const char *devargs)
{
	char value[16];

	if (strncmp(devargs, "net_af_packet", strlen("net_af_packet")) != 0 &&
	    strncmp(devargs, "eth_af_packet", strlen("eth_af_packet")) != 0)
		return 0;
	if (!devarg_value(devargs, "framesz", value, sizeof(value)))
		return AF_PACKET_FRAMESZ;
	return (uint32_t)strtoul(value, NULL, 10);
}

/* By one of ours, or as a member of a bond. */
static bool
is_taken(uint16_t ethdev)
{
	struct rte_eth_dev_owner owner;
	struct rte_eth_dev_info info;

	return rte_eth_dev_owner_get(ethdev, &owner) != 0 || owner.id != RTE_ETH_DEV_NO_OWNER ||
	       rte_eth_dev_info_get(ethdev, &info) != 0 ||
	       (*info.dev_flags & COMPAT_BOND_MEMBER_FLAG) != 0;
}

static int
probe(const struct nic_wants *wants, uint16_t *ethdev, struct errmsg *e)
{
	struct rte_dev_iterator it;
	char iface[IFNAMSIZ];
	char name[RTE_DEV_NAME_MAX_LEN];
	uint16_t id;
	int err;

	strlcpy(name, wants->device, sizeof(name));
	name[strcspn(name, ",")] = '\0';
	/* net_vhost's iface is a socket's path; a network interface's name has no slash. */
	if (devarg_value(wants->device, "iface", iface, sizeof(iface)) &&
	    strchr(iface, '/') == NULL && strncmp(name, "net_tap", strlen("net_tap")) != 0 &&
	    if_nametoindex(iface) == 0)
		return err_set(e, -ENODEV, "device '%s': there is no network interface '%s'",
			       wants->device, iface);
	/* The EAL may have probed it (-a or --vdev in `eal`); then it is nobody's yet. */
	if (rte_eth_dev_get_port_by_name(name, ethdev) == 0)
		return is_taken(*ethdev) ? err_set(e, -EBUSY, "device '%s' is in use already", name)
					 : 0;
	err = rte_dev_probe(wants->device);
	if (err != 0)
		return err_set(
			e, -ENODEV,
			"device '%s' cannot be opened: no such device, or its driver refused "
			"it (see the daemon's log); accepted: a PCI address bound to a DPDK "
			"driver, or a vdev such as net_af_packet0,iface=eth1",
			wants->device);
	RTE_ETH_FOREACH_MATCHING_DEV(id, wants->device, &it)
	{
		rte_eth_iterator_cleanup(&it);
		*ethdev = id;
		return 0;
	}
	return err_set(e, -ENODEV, "device '%s' is no network device", wants->device);
}

static uint32_t
mtu_for(const struct nic_wants *wants, const struct rte_eth_dev_info *info)
{
	uint32_t mtu = RTE_ETHER_MTU, kernel_mtu;
	bool running;

	if (wants->mtu != 0)
		return wants->mtu;
	if (info->if_index != 0 && kernel_if_query(info->if_index, &running, &kernel_mtu) == 0)
		mtu = kernel_mtu;
	return mtu;
}

/* On DPDK's interrupt thread: only notes what the follow timer will deal with. */
static int
on_device_event(uint16_t ethdev, enum rte_eth_event_type event, void *arg, void *result)
{
	struct nic *nic = arg;

	(void)ethdev;
	(void)result;
	if (event == RTE_ETH_EVENT_INTR_RESET)
		atomic_store(&nic->reset_pending, true);
	else
		atomic_store(&nic->removed, true);
	return 0;
}

static const enum rte_eth_event_type followed_events[] = {RTE_ETH_EVENT_INTR_RESET,
							  RTE_ETH_EVENT_INTR_RMV};

static int
device_info(const struct nic *nic, const struct nic_wants *wants, struct rte_eth_dev_info *info,
	    struct errmsg *e)
{
	int err = rte_eth_dev_info_get(nic->ethdev, info);

	if (err != 0)
		return err_set(e, err, "%s: %s", wants->name, rte_strerror(-err));
	nic_bond_limits(nic, info);
	return 0;
}

/* Everything between probe and use; on error the caller detaches. */
static int
bring_up(struct nic *nic, const struct nic_wants *wants, struct errmsg *e)
{
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	int err = device_info(nic, wants, &info, e);

	if (err != 0)
		return err;
	strlcpy(nic->driver, info.driver_name, sizeof(nic->driver));
	nic->device = info.device;
	nic->if_index = info.if_index;
	nic->max_mac_addrs = info.max_mac_addrs;
	nic->min_mtu = info.min_mtu;
	nic->frame_room = af_packet_framesz(wants->device);
	nic->max_mtu = info.max_mtu;
	if (nic->frame_room != 0)
		nic->max_mtu = nic->frame_room - AF_PACKET_HEADROOM - FRAME_OVERHEAD;
	nic->socket_id = RTE_MAX(rte_eth_dev_socket_id(nic->ethdev), 0);
	nic->mtu = mtu_for(wants, &info);
	err = nic_start(nic, wants, &info, e);
	if (err != 0)
		return err;
	for (size_t i = 0; i < RTE_DIM(followed_events); i++)
		rte_eth_dev_callback_register(nic->ethdev, followed_events[i], on_device_event,
					      nic);
	if (rte_eth_macaddr_get(nic->ethdev, &mac) == 0)
		memcpy(nic->mac.b, mac.addr_bytes, sizeof(nic->mac.b));
	nic_follow(nic, wants->mtu == 0);
	nic_bond_follow(nic, wants->name);
	return 0;
}

int
nic_reset(struct nic *nic, const struct nic_wants *wants, struct errmsg *e)
{
	struct rte_eth_dev_info info;
	int err;

	atomic_store(&nic->reset_pending, false);
	rte_eth_dev_stop(nic->ethdev);
	err = nic->bond != NULL ? nic_bond_reset(nic) : rte_eth_dev_reset(nic->ethdev);
	if (err != 0 && err != -ENOTSUP)
		return err_set(e, err, "%s: the device does not reset: %s", wants->name,
			       rte_strerror(-err));
	err = device_info(nic, wants, &info, e);
	if (err != 0)
		return err;
	return nic_restart(nic, wants, &info, e);
}

/* Owned devices cannot become a bond's members. */
static const struct rte_eth_dev_owner *
owner(void)
{
	static struct rte_eth_dev_owner ours = {.id = RTE_ETH_DEV_NO_OWNER, .name = "macvswitch"};

	if (ours.id == RTE_ETH_DEV_NO_OWNER)
		rte_eth_dev_owner_new(&ours.id);
	return &ours;
}

int
nic_open(struct nic *nic, const struct nic_wants *wants, struct errmsg *e)
{
	struct rte_mempool *pool = NULL;
	int err;

	memset(nic, 0, sizeof(*nic));
	nic->ethdev = RTE_MAX_ETHPORTS;
	err = probe(wants, &nic->ethdev, e);
	if (err != 0)
		return err;
	rte_eth_dev_owner_set(nic->ethdev, owner());
	err = nic_bond_open(nic, wants, e);
	if (err == 0)
		err = bring_up(nic, wants, e);
	if (err != 0) {
		nic_close(nic, &pool);
		rte_mempool_free(pool); /* nothing was ever received */
	}
	return err;
}

void
nic_close(struct nic *nic, struct rte_mempool **pool)
{
	struct rte_eth_dev_info info;

	*pool = nic->pool;
	nic->pool = NULL;
	if (nic->ethdev == RTE_MAX_ETHPORTS)
		return;
	if (nic->device == NULL && rte_eth_dev_info_get(nic->ethdev, &info) == 0)
		nic->device = info.device;
	for (size_t i = 0; i < RTE_DIM(followed_events); i++)
		rte_eth_dev_callback_unregister(nic->ethdev, followed_events[i], on_device_event,
						nic);
	nic_bond_close(nic);
	rte_eth_dev_stop(nic->ethdev);
	rte_eth_dev_close(nic->ethdev);
	if (nic->device != NULL && rte_dev_remove(nic->device) != 0)
		log_warning("device %s: not detached by its bus", nic->driver);
	nic->ethdev = RTE_MAX_ETHPORTS;
}

int
nic_set_mtu(struct nic *nic, uint32_t mtu, struct errmsg *e)
{
	uint32_t room = rte_pktmbuf_data_room_size(nic->pool) - RTE_PKTMBUF_HEADROOM;
	struct rte_eth_dev_info info;
	int err;

	if (mtu < nic->min_mtu || mtu > nic->max_mtu)
		return err_set(e, -EINVAL, "mtu: %u is not accepted; %u to %u with this device%s",
			       mtu, RTE_MAX(nic->min_mtu, (uint32_t)MIN_MTU), nic->max_mtu,
			       strcmp(nic->driver, "net_af_packet") == 0
				       ? " (framesz in its devargs sets the limit)"
				       : "");
	if (rte_eth_dev_info_get(nic->ethdev, &info) == 0 && mtu + FRAME_OVERHEAD > room &&
	    !(info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER))
		return err_set(e, -EINVAL,
			       "mtu: %u is not accepted; up to %u while the uplink runs: the "
			       "device has no scattered receive, so delete the uplink and add it "
			       "with this mtu",
			       mtu, room - FRAME_OVERHEAD);
	err = rte_eth_dev_set_mtu(nic->ethdev, (uint16_t)mtu);
	if (err == -EBUSY) {
		/* Some drivers change it only while stopped; receivers lose what comes meanwhile.
		 */
		rte_eth_dev_stop(nic->ethdev);
		err = rte_eth_dev_set_mtu(nic->ethdev, (uint16_t)mtu);
		rte_eth_dev_start(nic->ethdev);
		nic_wake_find(nic);
	}
	/* Drivers over a kernel interface know less of its limits than the kernel does. */
	if (err != 0 && nic->if_index != 0)
		err = kernel_if_set_mtu(nic->if_index, mtu);
	if (err == -ENOTSUP) {
		nic_note(nic, "the driver sets no MTU: it is kept in software, for frames sent");
		err = 0;
	}
	if (err != 0)
		return err_set(e, err, "mtu: %u: the driver refused it: %s", mtu,
			       rte_strerror(-err));
	nic->mtu = mtu;
	return 0;
}

bool
nic_follow(struct nic *nic, bool follow_mtu)
{
	struct rte_eth_link link = {0};
	bool carrier;
	uint32_t mtu = nic->mtu, speed;
	bool changed;

	if (rte_eth_link_get_nowait(nic->ethdev, &link) < 0)
		link.link_status = RTE_ETH_LINK_UP; /* a driver that cannot say has a link */
	carrier = link.link_status == RTE_ETH_LINK_UP;
	speed = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
	if (nic->if_index != 0) {
		if (kernel_if_query(nic->if_index, &carrier, &mtu) == -ENODEV)
			carrier = false;
		if (!follow_mtu)
			mtu = nic->mtu;
	}
	changed = carrier != nic->carrier || speed != nic->speed || mtu != nic->mtu;
	nic->carrier = carrier;
	nic->speed = speed;
	nic->mtu = mtu;
	return changed;
}

void
nic_endpoint(const struct nic *nic, struct endpoint *ep)
{
	memset(ep, 0, sizeof(*ep));
	ep->kind = ENDPOINT_ETHDEV;
	ep->ethdev = nic->ethdev;
	ep->rx_queues = nic->rx_queues;
	ep->tx_queues = nic->tx_queues;
	offloads_of_device(nic->tx_offloads, nic->rx_offloads, ep);
}
