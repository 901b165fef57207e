/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * The test guest: DPDK's virtio-user ports stand for the virtio NICs of QEMU guests, as many as are
 * wanted in one process. Started by tests/lib/guest.py and scripts/demo; runs without root's
 * hugepages. One thread polls all ports and sleeps 50 us when nothing moved; DPDK's interrupt
 * thread only reconnects.
 */
#include <bsd/stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include "tests/guest/vguest.h"

#define RX_OFFLOADS \
	(RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_LRO)
#define TX_OFFLOADS \
	(RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO)

static volatile sig_atomic_t stop_signal;

static const char usage[] =
	"usage: vguest --dir DIR --port KEY=VALUE,... [--port ...]\n"
	"  --port name=N,path=SOCKET[,role=client|server][,mac=M][,queues=1][,queue_size=256]\n"
	"         [,packed=0|1][,mrg_rxbuf=0|1][,offloads=0|1][,tap=IFNAME]\n"
	"  --dir DIR          where each port without a tap gets its socket, DIR/NAME\n"
	"  --mtu BYTES        of all ports, default 1500\n"
	"  --file-prefix P    DPDK's, default vguest\n"
	"  --huge             use hugepages\n";

static void
on_signal(int signal_number)
{
	stop_signal = signal_number;
}

/* What is no number, or too large, is 0: the callers refuse that where it matters. */
static uint16_t
number(const char *text, uint16_t max)
{
	const char *why;

	return (uint16_t)strtonum(text, 0, max, &why);
}

/* Cuts the text up in place. 0 or -EINVAL, said on stderr. */
static int
parse_port(struct guest *g, char *text)
{
	enum { NAME, PATH, ROLE, MAC, QUEUES, QUEUE_SIZE, PACKED, MRG_RXBUF, TAP, OFFLOADS, KEYS };
	static char *const keys[KEYS + 1] = {
		[NAME] = "name",        [PATH] = "path",     [ROLE] = "role",
		[MAC] = "mac",          [QUEUES] = "queues", [QUEUE_SIZE] = "queue_size",
		[PACKED] = "packed",    [TAP] = "tap",       [MRG_RXBUF] = "mrg_rxbuf",
		[OFFLOADS] = "offloads"};
	const char *all = text;
	char *value;

	*g = (struct guest){
		.listen_fd = -1, .fd = -1, .queues = 1, .queue_size = 256, .mrg_rxbuf = true};
	rte_eth_random_addr(g->mac.addr_bytes);
	while (*text != '\0') {
		int key = getsubopt(&text, keys, &value);

		if (key < 0 || value == NULL)
			break;
		switch (key) {
		case NAME:
			snprintf(g->name, sizeof(g->name), "%s", value);
			break;
		case PATH:
			snprintf(g->path, sizeof(g->path), "%s", value);
			break;
		case TAP:
			snprintf(g->tap, sizeof(g->tap), "%s", value);
			break;
		case ROLE:
			g->server = strcmp(value, "server") == 0;
			break;
		case MAC:
			if (rte_ether_unformat_addr(value, &g->mac) != 0)
				g->name[0] = '\0';
			break;
		case QUEUES:
			g->queues = number(value, 128);
			break;
		case QUEUE_SIZE:
			g->queue_size = number(value, 32768);
			break;
		case PACKED:
			g->packed = number(value, 1) != 0;
			break;
		case OFFLOADS:
			g->offloads = number(value, 1) != 0;
			break;
		case MRG_RXBUF:
			g->mrg_rxbuf = number(value, 1) != 0;
			break;
		}
	}
	if (*text == '\0' && g->name[0] != '\0' && g->path[0] != '\0' && g->queues > 0)
		return 0;
	fprintf(stderr, "vguest: bad port %s\n%s", all, usage);
	return -EINVAL;
}

/* What the rings of all guests can hold, and some in flight. */
static unsigned int
buffers_needed(const struct vguest *v)
{
	unsigned int n = 2048;

	for (unsigned int i = 0; i < v->count; i++)
		n += v->guests[i].queues * v->guests[i].queue_size * 3;
	return n;
}

/* A guest without mergeable buffers must take a whole frame in one. */
static uint16_t
buffer_size(const struct vguest *v)
{
	uint16_t size = RTE_MBUF_DEFAULT_BUF_SIZE;

	for (unsigned int i = 0; i < v->count; i++)
		if (!v->guests[i].mrg_rxbuf)
			size = RTE_MAX(size, v->guests[i].mtu + 64 + RTE_PKTMBUF_HEADROOM);
	return size;
}

/* The guest stays on the CPUs it was started on; EAL would pin it to one. */
static int
start_eal(struct vguest *v, const char *prefix, bool huge)
{
	unsigned int megabytes =
		64 + buffers_needed(v) / 1024 * (buffer_size(v) + 512) / 1024 + v->count * 4;
	char memory[16], file_prefix[64], lcores[32];
	char *argv[] = {"vguest",
			"-m",
			memory,
			file_prefix,
			lcores,
			"--no-pci",
			"--no-telemetry",
			"--iova-mode=va",
			huge ? "--in-memory" : "--no-huge", /* exclude each other */
			huge ? "--single-file-segments" : "--no-shconf",
			NULL};
	cpu_set_t cpus;
	int argc = RTE_DIM(argv) - 1;

	snprintf(memory, sizeof(memory), "%u", megabytes);
	snprintf(file_prefix, sizeof(file_prefix), "--file-prefix=%s", prefix);
	snprintf(lcores, sizeof(lcores), "--lcores=0@%d", sched_getcpu());
	sched_getaffinity(0, sizeof(cpus), &cpus);
	if (rte_eal_init(argc, argv) < 0)
		return -rte_errno;
	sched_setaffinity(0, sizeof(cpus), &cpus);
	return 0;
}

static int
start_port(struct vguest *v, struct guest *g, unsigned int index)
{
	struct rte_eth_conf conf = {.rxmode.mtu = g->mtu};
	struct rte_eth_dev_info info;
	char name[32], args[256];
	int rc;

	snprintf(name, sizeof(name), "net_virtio_user%u", index);
	snprintf(args, sizeof(args),
		 "path=%s,queues=%u,queue_size=%u,packed_vq=%u,mrg_rxbuf=%u,server=%u,cq=%u"
		 ",mac=" RTE_ETHER_ADDR_PRT_FMT,
		 g->path, g->queues, g->queue_size, g->packed, g->mrg_rxbuf, g->server,
		 g->queues > 1, RTE_ETHER_ADDR_BYTES(&g->mac));
	if (g->server)
		unlink(g->path); /* left by one that was killed; QEMU does the same */
	rc = rte_eal_hotplug_add("vdev", name, args);
	if (rc == 0)
		rc = rte_eth_dev_get_port_by_name(name, &g->port_id);
	if (rc == 0)
		rc = rte_eth_dev_info_get(g->port_id, &info);
	if (rc != 0)
		return rc;
	conf.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
	conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	if (g->offloads) {
		conf.rxmode.offloads |= RX_OFFLOADS;
		conf.txmode.offloads |= TX_OFFLOADS;
	}
	rc = rte_eth_dev_configure(g->port_id, g->queues, g->queues, &conf);
	for (uint16_t q = 0; rc == 0 && q < g->queues; q++) {
		rc = rte_eth_rx_queue_setup(g->port_id, q, g->queue_size, SOCKET_ID_ANY, NULL,
					    v->pool);
		if (rc == 0)
			rc = rte_eth_tx_queue_setup(g->port_id, q, g->queue_size, SOCKET_ID_ANY,
						    NULL);
	}
	return rc != 0 ? rc : rte_eth_dev_start(g->port_id);
}

/*
 * Asking is also what makes virtio-user notice that its peer left, and a server listen again. A
 * client stays disconnected: asked again it would only complain.
 */
static void
check_links(struct vguest *v)
{
	for (unsigned int i = 0; i < v->count; i++) {
		struct guest *g = &v->guests[i];
		struct rte_eth_link link = {0};

		if (g->lost)
			continue;
		rte_eth_link_get_nowait(g->port_id, &link);
		g->lost = g->link && !link.link_status && !g->server;
		g->link = link.link_status;
	}
}

static void
wait_for_events(struct vguest *v, long nanoseconds)
{
	struct epoll_event events[MAX_GUESTS];
	struct timespec timeout = {.tv_nsec = nanoseconds};
	int n = epoll_pwait2(v->epoll, events, MAX_GUESTS, &timeout, NULL);

	for (int i = 0; i < n; i++) {
		struct guest *g = events[i].data.ptr;

		if (g == NULL) {
			commands_read(v);
			continue;
		}
		attach_accept(v, g);
		g->readable = g->fd >= 0;
	}
}

static void
loop(struct vguest *v)
{
	uint64_t next_check = 0;

	while (!v->stop && stop_signal == 0) {
		bool moved = false;

		for (unsigned int i = 0; i < v->count; i++) {
			struct guest *g = &v->guests[i];

			moved |= attach_up(g);
			moved |= attach_down(v, g);
			moved |= blast_round(v, g);
		}
		if (rte_get_tsc_cycles() > next_check) {
			check_links(v);
			next_check = rte_get_tsc_cycles() + rte_get_tsc_hz() / 50;
		}
		wait_for_events(v, moved ? 0 : 50000);
	}
}

static int
start(struct vguest *v, const char *dir, const char *prefix, bool huge)
{
	struct epoll_event input = {.events = EPOLLIN};
	int rc = start_eal(v, prefix, huge);

	if (rc != 0)
		return rc;
	v->pool = rte_pktmbuf_pool_create("frames", buffers_needed(v), 128, 0, buffer_size(v),
					  SOCKET_ID_ANY);
	v->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (v->pool == NULL || v->epoll < 0)
		return -ENOMEM;
	for (unsigned int i = 0; rc == 0 && i < v->count; i++) {
		rc = attach_open(v, &v->guests[i], dir);
		if (rc == 0)
			rc = start_port(v, &v->guests[i], i);
		if (rc != 0)
			fprintf(stderr, "vguest: %s does not start: %s\n", v->guests[i].name,
				strerror(-rc));
	}
	epoll_ctl(v->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input); /* fails on a file: no commands */
	return rc;
}

/*
 * Tells the switches, as a guest's shutdown does. Ports are not closed: of one whose switch left
 * virtio-user closes file descriptors that DPDK's interrupt thread still has, which ends in
 * abort().
 */
static void
stop_ports(struct vguest *v)
{
	for (unsigned int i = 0; i < v->count; i++) {
		if (v->guests[i].link)
			rte_eth_dev_stop(v->guests[i].port_id);
		if (v->guests[i].server)
			unlink(v->guests[i].path);
	}
}

int
main(int argc, char **argv)
{
	static struct vguest v;
	static const struct option options[] = {{"port", required_argument, NULL, 'p'},
						{"dir", required_argument, NULL, 'd'},
						{"mtu", required_argument, NULL, 'm'},
						{"file-prefix", required_argument, NULL, 'f'},
						{"huge", no_argument, NULL, 'H'},
						{NULL, 0, NULL, 0}};
	const struct sigaction stop_action = {.sa_handler = on_signal};
	const char *dir = ".", *prefix = "vguest";
	uint16_t mtu = RTE_ETHER_MTU;
	bool huge = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'd')
			dir = optarg;
		else if (c == 'f')
			prefix = optarg;
		else if (c == 'm')
			mtu = number(optarg, 9600);
		else if (c == 'H')
			huge = true;
		else if (c != 'p' || v.count == MAX_GUESTS)
			return fputs(usage, stderr), 1;
		else if (parse_port(&v.guests[v.count++], optarg) != 0)
			return 1;
	}
	if (v.count == 0)
		return fputs(usage, stderr), 1;
	for (unsigned int i = 0; i < v.count; i++)
		v.guests[i].mtu = mtu;
	v.json_fd = dup(STDOUT_FILENO);
	dup2(STDERR_FILENO, STDOUT_FILENO);     /* DPDK logs to stdout */
	sigaction(SIGTERM, &stop_action, NULL); /* interrupts a server that waits for its client */
	sigaction(SIGINT, &stop_action, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (start(&v, dir, prefix, huge) != 0)
		return stop_signal != 0 ? 0 : 2;
	commands_answer(&v, "{\"ready\": true}\n");
	loop(&v);
	stop_ports(&v);
	fflush(NULL);
	_exit(0); /* without rte_eal_cleanup(): see stop_ports() */
}
