/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>
#include <linux/virtio_ring.h>
#include <net/ethernet.h>

/*
 * The benchmark's traffic generator: guests of a switch, seen from the other side of their
 * vhost-user sockets (or of a tap's file descriptor). One thread polls all of them, so what it
 * counts needs no lock, and its TSC is the only clock. It speaks vhost-user itself: a DPDK process
 * has at most 32 ports in Debian, and spends more on a frame than the switch under test.
 */

#define BURST 32
#define MAX_PORTS 300
#define MAX_SENDERS 8
#define MAX_SIZES 16 /* lengths that a sender takes turns with */
#define MAX_FRAME 2048
#define VNET_HEADER 12 /* struct virtio_net_hdr_v1 */
#define FRAME_AT 64    /* in a slot; the header ends where the frame's first cache line begins */
/* No multiple of 4096, or the first lines of all frames would share a few sets of a cache. */
#define SLOT_SIZE (FRAME_AT + MAX_FRAME + 64)

/* After the UDP header of each frame; so a frame of 64 bytes is just full. */
struct mark {
	uint32_t run;
	uint16_t sender;
	uint64_t number;
	uint64_t tsc;
} __attribute__((packed));
#define MARK_AT 42
#define MIN_FRAME (MARK_AT + sizeof(struct mark))

struct ring {
	uint16_t size;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint8_t *slots; /* one a descriptor */
	uint16_t next;  /* send: avail's index. Receive: used's, as far as we took frames */
	uint16_t seen;  /* send: used's index, as last read */
	int kick;       /* eventfd to the switch */
};

struct port {
	char name[32];
	int fd;    /* of the vhost-user socket, or of the tap */
	bool tap;  /* frames are written to and read from fd */
	bool idle; /* attached, its rings run, and it never looks at them */
	struct ring receive, send;
	uint8_t *slots; /* of a tap: MAX_SIZES of them to send, and one to receive into */
	void *memory;
	size_t memory_size;

	uint64_t frames, bytes;     /* received in this run, whoever sent them */
	uint64_t marked;            /* of those, this run's */
	uint64_t from[MAX_SENDERS]; /* of those, this sender's */
	uint64_t reordered;
	uint64_t last[MAX_SENDERS]; /* one more than the number of the last frame */
	uint64_t polled;            /* TSC */
};

#define HISTOGRAM_BITS 6 /* a bucket is 1/64 of its power of two wide */
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS)

struct histogram {
	uint64_t count, max;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

struct sender {
	struct port *port;
	uint16_t id;
	struct ether_addr src;
	struct ether_addr *dst; /* taken in turn */
	uint32_t n_dst, next_dst;
	uint16_t sizes[MAX_SIZES];
	uint16_t n_sizes;
	double per_tick; /* frames a TSC cycle; 0: as many as the ring takes */

	uint64_t start;   /* TSC */
	uint64_t offered; /* due so far: sent + refused + slipped */
	uint64_t sent;
	uint64_t refused; /* lost before the switch: its ring was full */
	uint64_t slipped; /* not offered: we came too late */
};

struct run {
	uint32_t id;
	double seconds, warmup;
	struct sender senders[MAX_SENDERS];
	unsigned int n_senders;
	struct port *receivers[MAX_PORTS];
	unsigned int n_receivers;
	bool paced;            /* some sender is; the latency of its frames counts */
	uint64_t latency_from; /* TSC; frames sent before do not count */
	struct histogram latency;

	uint64_t idle;  /* cycles of rounds in which nothing could be done, while measuring */
	uint64_t total; /* all cycles while measuring */
	uint64_t pause; /* cycles of the longest round: what the machine took from us */
};

struct pktgen {
	struct port ports[MAX_PORTS];
	unsigned int n_ports;
	double hz; /* of the TSC */
	uint32_t runs;
	bool hugepages; /* all memory so far is in hugepages */
};

static inline uint64_t
tsc(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t value;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
	return value;
#else
#error "no cycle counter is known for this machine"
#endif
}

static inline void
relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

static inline struct mark *
frame_mark(uint8_t *frame)
{
	return (struct mark *)(frame + MARK_AT);
}

/* memory.c. 0 or a negative errno; rings and slots of a guest in one shared file, fd. */
int memory_make(struct pktgen *g, struct port *p, uint16_t ring_size, int *fd);

/* vhost_user.c. Attaches a guest as QEMU does: memory, rings, enable. 0 or a negative errno. */
int vhost_attach(struct port *p, const char *path, int memory_fd);

/* frames.c. */
void frames_prepare(struct sender *s);
/* Sends n frames of s, or as many as there is room for, but none if fewer than at_least; how many.
 */
uint16_t frames_send(struct sender *s, uint32_t run, uint16_t n, uint16_t at_least, uint64_t now);
/* Takes up to BURST frames, but none if fewer than at_least wait; how many. */
uint16_t frames_receive(struct run *r, struct port *p, uint16_t at_least);

/* run.c. The answer's object, or NULL where memory is out. */
json_t *run_execute(struct pktgen *g, struct run *r);

/* histogram.c. */
void histogram_add(struct histogram *h, uint64_t value);
/* The least value that share (0 to 1) of all are not above, to 1/64. 0 where there is none. */
uint64_t histogram_quantile(const struct histogram *h, double share);

/* distance.c. Nanoseconds that a cache line takes from our CPU to that one and back. 0, or a
 * negative errno: there is no such CPU, or it is busy. */
int distance_measure(const struct pktgen *g, int cpu, double *ns);

/* commands.c. Handles one line of JSON; the answer is a new object. */
json_t *command_execute(struct pktgen *g, const char *line);
