/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <rte_ethdev.h>
#include <rte_mempool.h>

#include "config/errmsg.h"
#include "config/settings.h"
#include "dataplane/endpoint.h"

/*
 * One DPDK ethdev that the daemon owns: an uplink, or a port of the host's own stack. Opened,
 * configured and started in one call, followed by a timer, closed. Control thread only.
 *
 * A device that lacks a feature is used all the same: what replaces the feature, and why, is a
 * note.
 */
#define NIC_NOTES 8
#define FRAME_OVERHEAD (RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN) /* over the MTU: one VLAN tag */
#define NIC_NOTE_SIZE 160

struct nic {
	uint16_t ethdev; /* RTE_MAX_ETHPORTS: not open */
	char driver[64];
	struct rte_device *device; /* to detach it again */
	int socket_id;
	struct mac_addr mac;
	uint16_t rx_queues, tx_queues;
	uint16_t shared_queues;  /* the first of rx_queues; the rest may become ports' own */
	bool bond_tx_queue;      /* one more than tx_queues: nic_bond.c's, for LACP */
	uint32_t tx_descriptors; /* frames that may wait in one transmit queue, its members' of a
				    bond */
	uint32_t max_mac_addrs;
	uint32_t frame_room; /* bytes of a frame that the driver hands over; 0: as the MTU says */
	uint32_t mtu;        /* bytes of payload in force */
	uint32_t min_mtu, max_mtu;
	unsigned int if_index; /* kernel interface behind the driver; 0: none */
	bool carrier;
	uint32_t speed;                    /* Mbit/s; 0: unknown */
	uint64_t tx_offloads, rx_offloads; /* RTE_ETH_*_OFFLOAD_*, as configured */
	struct rte_mempool *pool;          /* receive buffers */
	bool may_sleep;                    /* workers may: they want to be woken */
	bool rx_events; /* so the driver was asked for receive interrupts, and has them */
	int wake_fds[MAX_NIC_QUEUES]; /* by queue: readable when it has frames; -1: none */
	struct nic_bond *bond;        /* owned; NULL: the device is no bond */
	_Atomic bool reset_pending;   /* the interrupt thread writes: the device wants a reset */
	_Atomic bool removed;         /* likewise: it is gone */
	uint32_t n_notes;
	char notes[NIC_NOTES][NIC_NOTE_SIZE];
};

struct nic_wants {
	const char *name;     /* of the uplink or port, for messages and the pool */
	const char *device;   /* devargs */
	uint32_t mtu;         /* 0: leave the device's */
	uint32_t rx_queues;   /* 0: one for each worker, where the device has as many */
	uint32_t workers;     /* tx queues wanted: one for each */
	uint32_t max_workers; /* and for those that may come, where the device has so many */
	bool may_sleep;       /* workers may: the device should wake them */
	/* Further receive queues, for ports; NULL: none. Asked when the device runs: are they of
	 * use? If not, the device is started anew without them. */
	bool (*port_queues_useful)(const struct nic *nic);
	bool offloads; /* checksums and segmentation, where the device has them */
};

/*
 * Probes, configures and starts the device. 0 with *nic filled, or a negative errno, nothing left
 * behind, and *e naming the device: -ENODEV: no such device, or its driver refused it; -EBUSY: in
 * use here already; -EINVAL: MTU or queues out of the device's range (which the text says);
 * -ENOMEM.
 */
int nic_open(struct nic *nic, const struct nic_wants *wants, struct errmsg *e);

/*
 * Stops and detaches. No view may have it any more. Its pool is left in *pool, because frames of it
 * may still wait in another device's transmit ring: free it once rte_mempool_full says so.
 */
void nic_close(struct nic *nic, struct rte_mempool **pool);

/*
 * After RTE_ETH_EVENT_INTR_RESET: resets and starts the device as it was opened; it has forgotten
 * every filter. No view may have it meanwhile. 0 or the driver's errno.
 */
int nic_reset(struct nic *nic, const struct nic_wants *wants, struct errmsg *e);

/* 0; -EINVAL: out of range or too long for the receive buffers; the driver's errno. Old MTU kept.
 */
int nic_set_mtu(struct nic *nic, uint32_t mtu, struct errmsg *e);

/* Looks at link and, where follow_mtu, the kernel interface's MTU. true: something changed. */
bool nic_follow(struct nic *nic, bool follow_mtu);

/* The endpoint as views have it; each worker's tx queue is control/poll_plan.c's to fill in. */
void nic_endpoint(const struct nic *nic, struct endpoint *ep);

__attribute__((format(printf, 2, 3))) void nic_note(struct nic *nic, const char *fmt, ...);
