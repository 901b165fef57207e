/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * How long a frame takes through a switch that sleeps: two guests (virtio-user) in one process, one
 * sends a frame and the other spins until it is there; then nothing happens for a while. With an
 * interface's name the frames come from there, which is the wire's end of the uplink. Started by
 * scripts/idle-latency and tests/e2e/test_idle.py.
 */
#include <bsd/stdlib.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#define FRAME 64
#define LOST_MS 200

static const char usage[] =
	"usage: idle_latency FROM-SOCKET FROM-MAC TO-SOCKET TO-MAC COUNT GAP-MICROSECONDS "
	"[INTERFACE]\n"
	"prints {\"count\", \"lost\", \"p10_us\", \"p50_us\", \"p90_us\", \"p99_us\", "
	"\"max_us\"}\n";

struct bench {
	struct rte_mempool *pool;
	uint16_t from, to;
	struct rte_ether_addr from_mac, to_mac;
	int wire; /* packet socket; -1: guest to guest */
	uint32_t count;
	uint32_t gap_us;
	double *us;
};

static int
start_eal(void)
{
	char lcores[32];
	char *argv[] = {"idle_latency",
			"-m",
			"64",
			"--no-huge",
			"--no-shconf",
			"--no-pci",
			"--no-telemetry",
			"--iova-mode=va",
			"--log-level=4",
			lcores,
			NULL};

	snprintf(lcores, sizeof(lcores), "--lcores=0@%d", sched_getcpu());
	return rte_eal_init(RTE_DIM(argv) - 1, argv);
}

static int
start_guest(struct bench *b, uint16_t *id, int n, const char *path, struct rte_ether_addr *mac)
{
	struct rte_eth_conf conf = {0};
	char name[32], args[256];
	int rc;

	snprintf(name, sizeof(name), "net_virtio_user%d", n);
	snprintf(args, sizeof(args), "path=%s,mac=" RTE_ETHER_ADDR_PRT_FMT, path,
		 RTE_ETHER_ADDR_BYTES(mac));
	rc = rte_eal_hotplug_add("vdev", name, args);
	if (rc == 0)
		rc = rte_eth_dev_get_port_by_name(name, id);
	if (rc == 0)
		rc = rte_eth_dev_configure(*id, 1, 1, &conf);
	if (rc == 0)
		rc = rte_eth_rx_queue_setup(*id, 0, 256, SOCKET_ID_ANY, NULL, b->pool);
	if (rc == 0)
		rc = rte_eth_tx_queue_setup(*id, 0, 256, SOCKET_ID_ANY, NULL);
	return rc != 0 ? rc : rte_eth_dev_start(*id);
}

static int
open_wire(const char *interface)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET,
				      .sll_ifindex = (int)if_nametoindex(interface)};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (fd < 0 || address.sll_ifindex == 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		return -1;
	return fd;
}

static void
fill(const struct bench *b, uint8_t *frame)
{
	static const struct rte_ether_addr outside = {{2, 0, 0, 0, 0, 0x99}};
	struct rte_ether_hdr *h = (struct rte_ether_hdr *)frame;

	memset(frame, 0, FRAME);
	h->dst_addr = b->to_mac;
	h->src_addr = b->wire >= 0 ? outside : b->from_mac;
	h->ether_type = RTE_BE16(0x88b5); /* local experiments */
}

/* Microseconds until the frame is there, or a negative number: lost. */
static double
one(struct bench *b)
{
	uint64_t hz = rte_get_tsc_hz(), start, end;
	struct rte_mbuf *m, *got[32];
	uint16_t n = 0;

	if (b->wire >= 0) {
		uint8_t frame[FRAME];

		fill(b, frame);
		start = rte_rdtsc();
		if (send(b->wire, frame, sizeof(frame), 0) != sizeof(frame))
			return -1;
	} else {
		m = rte_pktmbuf_alloc(b->pool);
		if (m == NULL)
			return -1;
		fill(b, (uint8_t *)rte_pktmbuf_append(m, FRAME));
		start = rte_rdtsc();
		if (rte_eth_tx_burst(b->from, 0, &m, 1) != 1)
			return -1;
	}
	do {
		n = rte_eth_rx_burst(b->to, 0, got, RTE_DIM(got));
		end = rte_rdtsc();
	} while (n == 0 && end - start < hz / 1000 * LOST_MS);
	rte_pktmbuf_free_bulk(got, n);
	return n > 0 ? (double)(end - start) * 1e6 / (double)hz : -1;
}

static int
by_time(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
measure(struct bench *b)
{
	struct rte_mbuf *stray[32];
	uint32_t got = 0, lost = 0;

	for (uint32_t i = 0; i < b->count; i++) {
		double us;

		usleep(b->gap_us);
		/* Frames of others, such as the host's own on the interface. */
		rte_pktmbuf_free_bulk(stray, rte_eth_rx_burst(b->to, 0, stray, RTE_DIM(stray)));
		us = one(b);
		if (us < 0)
			lost++;
		else
			b->us[got++] = us;
	}
	qsort(b->us, got, sizeof(*b->us), by_time);
	if (got == 0)
		b->us[0] = 0;
	printf("{\"count\": %u, \"lost\": %u, \"p10_us\": %.1f, \"p50_us\": %.1f, \"p90_us\": "
	       "%.1f, "
	       "\"p99_us\": %.1f, \"max_us\": %.1f}\n",
	       got, lost, b->us[got / 10], b->us[got / 2], b->us[(uint64_t)got * 90 / 100],
	       b->us[(uint64_t)got * 99 / 100], b->us[got > 0 ? got - 1 : 0]);
}

int
main(int argc, char **argv)
{
	struct bench b = {.wire = -1};

	if (argc < 7 || argc > 8 || rte_ether_unformat_addr(argv[2], &b.from_mac) != 0 ||
	    rte_ether_unformat_addr(argv[4], &b.to_mac) != 0)
		return fputs(usage, stderr), 1;
	b.count = (uint32_t)strtonum(argv[5], 1, 1000000, NULL);
	b.gap_us = (uint32_t)strtonum(argv[6], 1, 1000000, NULL);
	b.us = calloc(b.count + 1, sizeof(*b.us));
	if (b.count == 0 || b.gap_us == 0 || b.us == NULL)
		return fputs(usage, stderr), 1;
	if (argc == 8 && (b.wire = open_wire(argv[7])) < 0)
		return fprintf(stderr, "idle_latency: interface %s: %m\n", argv[7]), 2;
	prctl(PR_SET_TIMERSLACK, 1UL);
	if (start_eal() < 0)
		return 2;
	b.pool = rte_pktmbuf_pool_create("frames", 2047, 64, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					 SOCKET_ID_ANY);
	if (b.pool == NULL || start_guest(&b, &b.from, 0, argv[1], &b.from_mac) != 0 ||
	    start_guest(&b, &b.to, 1, argv[3], &b.to_mac) != 0)
		return fputs("idle_latency: the guests do not start\n", stderr), 2;
	usleep(300000); /* until the switch has them */
	measure(&b);
	rte_eth_dev_stop(b.from);
	rte_eth_dev_stop(b.to);
	fflush(NULL);
	_exit(0); /* as vguest does, and for its reason */
}
