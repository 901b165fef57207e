/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

/*
 * vguest plays any number of guests (up to DPDK's RTE_MAX_ETHPORTS) with one virtio-user port each.
 * One thread, one loop; everything here belongs to it. (virtio-user reconnects on DPDK's own
 * interrupt thread.) A guest's frames go up, from the switch to the test, and down, from the test
 * to the switch.
 */

#define BURST 32
#define MAX_FRAME 16384       /* longest datagram, without its header */
#define MAX_GUESTS 32         /* Debian's RTE_MAX_ETHPORTS */
#define MAX_STREAMS 16        /* senders that one sink tells apart */
#define SEQ_WINDOW (1u << 20) /* how far back a sink knows a duplicate from a late frame */
#define SEQ_MAGIC 0x5eb0ull   /* in the upper 16 of the last 64 bits of a numbered frame */

/* Before every frame on the unix socket; host byte order. */
struct datagram_header {
	uint16_t queue; /* the queue it came from, or is to leave by */
	uint16_t flags; /* DATAGRAM_* */
};
#define DATAGRAM_SEGMENTED 1  /* came in more than one mbuf */
#define DATAGRAM_OFFLOAD 2    /* came with offload flags, which nobody negotiated */
#define DATAGRAM_UNFINISHED 4 /* came with its checksum left to the receiver */
#define DATAGRAM_LARGE 8      /* came as a large frame, to be cut by the receiver */
#define DATAGRAM_ASKS 16      /* from the test: a struct datagram_asks follows */

/* What a guest with offloads asks of the switch; no value is checked here. */
struct datagram_asks {
	uint16_t l2_len, l3_len, l4_len; /* of headers: the checksum begins behind the first two */
	uint16_t segment;                /* bytes of payload */
	uint16_t what;                   /* ASKS_* */
};
#define ASKS_TCP_CHECKSUM 1
#define ASKS_UDP_CHECKSUM 2
#define ASKS_SEGMENTS 4
#define ASKS_IPV6 8

struct stream {
	struct rte_ether_addr src;
	uint64_t next; /* one more than the highest number seen */
	uint64_t received, gaps, reorders, duplicates;
	uint64_t *seen; /* bitmap of the last SEQ_WINDOW numbers */
};

struct blast {
	struct rte_mbuf *template; /* NULL: no blast is running */
	uint64_t count, sent, rate, start_tsc;
};

struct guest {
	/* as started */
	char name[32];
	char path[108];     /* of the vhost-user socket */
	char tap[IFNAMSIZ]; /* "": the test is attached by a unix socket */
	struct rte_ether_addr mac;
	bool server, packed, mrg_rxbuf, offloads;
	uint16_t queues, queue_size, mtu;

	uint16_t port_id;
	bool link;
	bool lost;         /* a client whose switch left */
	bool paused;       /* leaves its receive rings alone, as a stopped guest does */
	int listen_fd, fd; /* -1: none. fd: the connected test, or the TAP */
	bool readable;
	struct rte_mbuf *up[BURST]; /* from up_queue, not yet taken by the peer */
	uint16_t up_next, up_count, up_queue;
	struct rte_mbuf *down; /* not yet taken by the transmit ring */
	uint16_t down_queue;
	uint64_t down_since; /* TSC */
	struct blast blast;
	bool sink;
	struct stream streams[MAX_STREAMS];

	uint64_t rx, tx;        /* frames over the rings */
	uint64_t tx_timeouts;   /* lost: the transmit ring stayed full for a second */
	uint64_t no_peer;       /* lost: received while no test was connected */
	uint64_t tap_errors;    /* lost: the TAP refused them, it is down */
	uint64_t bad_datagrams; /* lost: from the test, no frame or no such queue */
};

struct vguest {
	struct guest guests[MAX_GUESTS];
	unsigned int count;
	struct rte_mempool *pool;
	int epoll;
	int json_fd; /* the real stdout; DPDK logs to what is left of it, stderr */
	bool stop;
	char line[4 * MAX_FRAME]; /* a command, until its newline is there */
	size_t line_length;
};

/* attach.c. Opens the unix socket DIR/NAME or the TAP; 0 or a negative errno, said on stderr. */
int attach_open(struct vguest *v, struct guest *g, const char *dir);
void attach_accept(struct vguest *v, struct guest *g);
/* One round of a guest in each direction; true if a frame moved. */
bool attach_up(struct guest *g);
bool attach_down(struct vguest *v, struct guest *g);

/* flood.c. A numbered frame ends in SEQ_MAGIC and its number, in network byte order. */
int blast_start(struct vguest *v, struct guest *g, uint64_t count, uint64_t rate, const char *hex);
bool blast_round(struct vguest *v, struct guest *g);
void sink_start(struct guest *g);
bool sink_take(struct guest *g, const struct rte_mbuf *m); /* true: it was numbered, and counted */

/* commands.c. Reads stdin, answers each line by one line of JSON; end of file stops the program. */
void commands_read(struct vguest *v);
void commands_answer(struct vguest *v, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
