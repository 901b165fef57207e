/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/queue.h>
#include <sys/un.h>

#include <ethdev_driver.h>
#include <rte_flow_driver.h>

/*
 * A simulated NIC, for tests: a DPDK driver whose "hardware" is struct simnic. Its wire is a unix
 * datagram socket, its tables have the sizes that devargs gave, and it passes only what it was told
 * to pass. Everything in struct simnic is under its lock, which datapath, callers of ethdev and the
 * control socket's thread all take.
 *
 *     simnic.c         probe, remove, and what ethdev asks of every device
 *     simnic_args.c    devargs
 *     simnic_filter.c  address table, multicast list, promisc, allmulti; what passes
 *     simnic_flow.c    rte_flow: eth dst -> queue
 *     simnic_rxtx.c    queues, RSS table, bursts
 *     simnic_offload.c checksums and segmentation
 *     simnic_ctl.c     control socket
 */
#define SIMNIC_QUEUES 64
#define SIMNIC_MACS RTE_ETH_NUM_RECEIVE_MAC_ADDR
#define SIMNIC_MCS 4096
#define SIMNIC_RETA 128
#define SIMNIC_WATCHES 256
#define SIMNIC_MISSES 16
#define SIMNIC_MAX_MTU 9600
#define SIMNIC_OVERHEAD (RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN)

enum simnic_fault {
	FAULT_MAC_ADD_ENOSPC, /* although the table has room */
	FAULT_MAC_ADD_ENOTSUP,
	FAULT_MAC_ADD_IGNORED, /* success, and no effect */
	FAULT_MC_ENOSPC,
	FAULT_MC_EMPTIES, /* a list that is too long empties the one in force */
	FAULT_MC_IGNORED,
	FAULT_MTU_BUSY,          /* -EBUSY unless stopped */
	FAULT_FLOW_CREATE_FAILS, /* ENOSPC */
	FAULT_FLOW_CREATE_ENOTSUP,
	FAULT_FLOW_VALIDATE_FAILS, /* create works */
	FAULT_FLOW_NO_STEER,       /* rules pass their frames, to the queue they had without */
	FAULT_FLOW_IGNORED,        /* rules have no effect at all */
	FAULT_FLOW_NO_COUNT,       /* rules steer, a query says 0 */
	FAULTS
};
extern const char *const simnic_fault_names[FAULTS];

struct simnic_args {
	uint32_t queues, macs, mcs, flows;
	uint32_t buffers; /* most of a frame that tx_prepare lets through */
	bool offloads;    /* checksums both ways, TSO */
	bool allmulti, promisc, count, flow_bypass, flow_keep, mac_multicast, rss;
	struct rte_ether_addr mac;
	char wire[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char peer[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char ctl[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* Lives until it is destroyed, flushed or the port is closed; dead: the hardware forgot it. */
struct rte_flow {
	LIST_ENTRY(rte_flow) entry;
	struct rte_ether_addr dst;
	uint16_t queue;
	bool count, dead;
	uint64_t hits;         /* frames that it steered */
	uint64_t queried_hits; /* that a query with reset took already */
};
LIST_HEAD(simnic_flows, rte_flow);

/* A receive or transmit ring: mbufs between head and tail. */
struct simnic_queue {
	struct simnic *nic;
	struct rte_mempool *pool; /* receive only */
	uint16_t id;
	uint64_t packets, bytes;
	uint32_t size, head, tail; /* size: a power of two */
	uint32_t piece;            /* transmit: the next one of the frame at head */
	uint32_t next;             /* of those that wait, the one to repeat */
	struct rte_mbuf *ring[];
};

/* A test's question: after which changes would this address not have passed? */
struct simnic_watch {
	struct rte_ether_addr dst;
	bool passes;
	uint64_t lost; /* changes that left it not passing */
};

struct simnic_miss {
	struct rte_ether_addr dst;
	uint64_t frames;
};

struct simnic_calls {
	uint64_t mac_add, mac_remove, mac_set, set_mc, promisc_on, promisc_off, allmulti_on,
		allmulti_off, flow_create, flow_destroy, flow_query, flow_stale, reta_update, start,
		stop, reset;
};

struct simnic_counts {
	uint64_t passed, filtered, missed, no_mbuf, too_long, link_down, stopped;
	uint64_t filtered_run, max_filtered_run; /* frames in a row that were filtered */
	uint64_t sent, sent_bytes, lost_link_down, lost_no_peer;
	uint64_t completed, cut; /* frames sent with checksums, and in segments, of ours */
};

struct simnic {
	pthread_mutex_t lock;
	struct rte_eth_dev *dev;
	struct eth_dev_ops ops; /* without what devargs took away */
	struct simnic_args args;
	bool started, link_up, removed;
	bool faults[FAULTS];

	/* What the hardware holds. */
	bool promisc, allmulti;
	struct rte_ether_addr macs[SIMNIC_MACS]; /* by ethdev's index; 0: its own */
	bool mac_used[SIMNIC_MACS];
	struct rte_ether_addr mcs[SIMNIC_MCS];
	uint32_t n_mcs;
	struct simnic_flows flows;
	uint32_t n_flows; /* living ones */
	bool rss;
	uint16_t reta[SIMNIC_RETA];

	/* Not 0: so many frames are taken from the wire, and then the queues give copies of them
	 * for ever, for benchmarks: the filter has done its work once, as it costs no CPU in
	 * hardware. */
	uint32_t replay;
	uint64_t replay_from; /* n.passed when it began */

	int wire;
	struct sockaddr_un peer;
	struct simnic_queue *rxq[SIMNIC_QUEUES], *txq[SIMNIC_QUEUES];
	struct simnic_counts n;
	struct simnic_calls calls;
	struct simnic_watch watches[SIMNIC_WATCHES];
	uint32_t n_watches;
	struct simnic_miss misses[SIMNIC_MISSES]; /* the first addresses filtered */
	uint32_t n_misses;

	int ctl, ctl_wake[2];
	pthread_t ctl_thread;
	bool ctl_runs;
	char frame[1 << 16];
};

extern int simnic_logtype;
#define SIMNIC_LOG(level, ...) rte_log(RTE_LOG_##level, simnic_logtype, "net_simnic: " __VA_ARGS__)

static inline struct simnic *
simnic_of(const struct rte_eth_dev *dev)
{
	return dev->data->dev_private;
}

/* 0, or -EINVAL with the log saying why. */
int simnic_parse_args(struct simnic_args *args, const char *devargs);

/* simnic_filter.c. Those that say so are called under the lock. */
void simnic_filter_ops(struct eth_dev_ops *ops, const struct simnic_args *args);
void simnic_forget(struct simnic *s);  /* as a hardware reset does; under the lock */
void simnic_changed(struct simnic *s); /* after any change of what passes; under the lock */
bool simnic_passes(struct simnic *s, const struct rte_ether_addr *dst, struct rte_flow *flow);
int simnic_watch(struct simnic *s, const struct rte_ether_addr *dst); /* under the lock */

/* simnic_flow.c */
int simnic_flow_ops_get(struct rte_eth_dev *dev, const struct rte_flow_ops **ops);
struct rte_flow *simnic_flow_find(struct simnic *s, const struct rte_ether_addr *dst);
void simnic_flow_kill(struct simnic *s); /* all rules out of the hardware; under the lock */
void simnic_flow_free(struct simnic *s);

/* simnic_rxtx.c */
void simnic_queue_ops(struct eth_dev_ops *ops);
void simnic_reta_default(struct simnic *s);
void simnic_flush_rings(struct simnic *s);
void simnic_drain_wire(struct simnic *s);
uint16_t simnic_rx(void *queue, struct rte_mbuf **pkts, uint16_t n);
uint16_t simnic_tx(void *queue, struct rte_mbuf **pkts, uint16_t n);

/* simnic_offload.c. A frame leaves in pieces: its segments, or itself. */
void simnic_offload_info(const struct simnic_args *args, struct rte_eth_dev_info *info);
uint16_t simnic_prepare(void *queue, struct rte_mbuf **pkts, uint16_t n);
uint32_t simnic_pieces(const struct rte_mbuf *m);
/* Writes a piece into s->frame; returns its length. Under the lock. */
uint32_t simnic_piece(struct simnic *s, const struct rte_mbuf *m, uint32_t i);
void simnic_verify(const struct simnic *s, struct rte_mbuf *m); /* a received frame */

/* simnic_ctl.c */
int simnic_ctl_open(struct simnic *s); /* 0, also when there is none; or a negative errno */
void simnic_ctl_close(struct simnic *s);
int simnic_bind(const char *path, int type); /* a bound, non-blocking socket, or a negative errno */
