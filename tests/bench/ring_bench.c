/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * What two workers that send to one guest do to each other: the time of one burst into the guest's
 * ring, alone, with another worker at the same ring (rte_vhost guards a ring by a spinlock for the
 * whole burst), and with a ring for each. The guest is a virtio-user device in this process;
 * whoever has just sent also empties the ring, so two CPUs are enough. Started by hand or by
 * `scripts/bench --scaling`, with two CPUs as arguments; prints a table.
 */
#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_spinlock.h>
#include <rte_vhost.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BURST 32
#define RINGS 2
#define RING_SIZE 1024
#define SAMPLES 200000
#define SECONDS 1

struct sender {
	uint16_t ring;
	uint32_t pause; /* TSC cycles between two bursts: the rest of a worker's work */
	uint32_t n;     /* samples: cycles of a full burst */
	uint32_t *samples;
	uint64_t sent, refused;
	uint64_t cycles; /* of the whole run */
	struct rte_mbuf *pkts[BURST];
};

static struct rte_mempool *pool;
static uint16_t guest; /* ethdev: the guest's end */
static atomic_int vid = -1;
static atomic_bool running;
static rte_spinlock_t guest_lock[RINGS];

static int
new_device(int id)
{
	for (uint16_t ring = 0; ring < 2 * RINGS; ring++)
		rte_vhost_enable_guest_notification(id, ring, 0);
	atomic_store(&vid, id);
	return 0;
}

static void
destroy_device(int id)
{
	(void)id;
	atomic_store(&vid, -1);
}

static const struct rte_vhost_device_ops ops = {.new_device = new_device,
						.destroy_device = destroy_device};

static void
die(const char *what)
{
	fprintf(stderr, "ring_bench: %s\n", what);
	exit(EXIT_FAILURE);
}

/* The guest's CPU would do this; the lock is its, not the switch's, and is not timed. */
static void
empty_ring(uint16_t ring)
{
	struct rte_mbuf *got[2 * BURST];
	uint16_t n;

	if (!rte_spinlock_trylock(&guest_lock[ring]))
		return;
	n = rte_eth_rx_burst(guest, ring, got, RTE_DIM(got));
	rte_pktmbuf_free_bulk(got, n);
	rte_spinlock_unlock(&guest_lock[ring]);
}

static int
send_bursts(void *arg)
{
	struct sender *s = arg;
	int id = atomic_load(&vid);
	uint64_t begin;

	while (!atomic_load(&running))
		rte_pause();
	begin = rte_rdtsc();
	while (atomic_load_explicit(&running, memory_order_relaxed)) {
		uint64_t start = rte_rdtsc(), end;
		uint16_t n = rte_vhost_enqueue_burst(id, (uint16_t)(2 * s->ring), s->pkts, BURST);

		end = rte_rdtsc();
		if (n == BURST && s->n < SAMPLES)
			s->samples[s->n++] = (uint32_t)RTE_MIN(end - start, (uint64_t)UINT32_MAX);
		s->sent += n;
		s->refused += (uint64_t)(BURST - n);
		empty_ring(s->ring);
		while (rte_rdtsc() - end < s->pause)
			rte_pause();
	}
	s->cycles = rte_rdtsc() - begin;
	return 0;
}

static int
ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static double
us(uint32_t cycles)
{
	return (double)cycles * 1e6 / (double)rte_get_tsc_hz();
}

static void
make_frames(struct sender *s, uint16_t size)
{
	for (int i = 0; i < BURST; i++) {
		s->pkts[i]->data_len = size;
		s->pkts[i]->pkt_len = size;
		memset(rte_pktmbuf_mtod(s->pkts[i], void *), i, size);
	}
}

/* Both senders' samples together, and frames a second. */
static void
report(const char *what, uint16_t size, uint32_t pause, struct sender *s, int n)
{
	uint32_t *all = calloc(2 * SAMPLES, sizeof(*all)), m = 0;
	double rate = 0;
	uint64_t refused = 0, sent = 0;

	for (int i = 0; i < n; i++) {
		memcpy(all + m, s[i].samples, s[i].n * sizeof(*all));
		m += s[i].n;
		rate += (double)s[i].sent * (double)rte_get_tsc_hz() / (double)s[i].cycles;
		refused += s[i].refused;
		sent += s[i].sent;
	}
	qsort(all, m, sizeof(*all), ascending);
	if (m == 0)
		die("no burst was taken whole");
	printf("%-22s %5u %6u %8u %8u %8u %8.2f %8.2f %9.2f %9.3f\n", what, size, pause, all[m / 2],
	       all[m * 99UL / 100], all[m * 999UL / 1000], us(all[m / 2]),
	       us(all[m * 999UL / 1000]), rate / 1e6,
	       100.0 * (double)refused / (double)(refused + sent));
	free(all);
}

static void
measure(const char *what, uint16_t size, uint32_t pause, struct sender *s, int n)
{
	for (int i = 0; i < n; i++) {
		s[i].pause = pause;
		s[i].n = 0;
		s[i].sent = s[i].refused = 0;
		make_frames(&s[i], size);
	}
	if (n > 1 && rte_eal_remote_launch(send_bursts, &s[1], rte_get_next_lcore(-1, 1, 0)) != 0)
		die("the other worker does not start");
	atomic_store(&running, true);
	alarm(SECONDS);
	send_bursts(&s[0]);
	rte_eal_mp_wait_lcore();
	report(what, size, pause, s, n);
}

static void
on_alarm(int signo)
{
	(void)signo;
	atomic_store(&running, false);
}

static void
start_guest(const char *path)
{
	struct rte_eth_conf conf = {0};
	char args[256];

	snprintf(args, sizeof(args), "path=%s,queues=%d,queue_size=%d,mac=52:54:00:00:00:01", path,
		 RINGS, RING_SIZE);
	unlink(path);
	if (rte_vhost_driver_register(path, 0) != 0 ||
	    rte_vhost_driver_callback_register(path, &ops) != 0 ||
	    rte_vhost_driver_start(path) != 0)
		die("vhost-user socket");
	if (rte_eal_hotplug_add("vdev", "net_virtio_user0", args) != 0 ||
	    rte_eth_dev_get_port_by_name("net_virtio_user0", &guest) != 0 ||
	    rte_eth_dev_configure(guest, RINGS, RINGS, &conf) != 0)
		die("virtio-user device");
	for (uint16_t q = 0; q < RINGS; q++) {
		if (rte_eth_rx_queue_setup(guest, q, RING_SIZE, 0, NULL, pool) != 0 ||
		    rte_eth_tx_queue_setup(guest, q, RING_SIZE, 0, NULL) != 0)
			die("virtio-user queues");
		rte_spinlock_init(&guest_lock[q]);
	}
	if (rte_eth_dev_start(guest) != 0)
		die("virtio-user device does not start");
	for (int i = 0; i < 300 && atomic_load(&vid) < 0; i++)
		usleep(10000);
	if (atomic_load(&vid) < 0)
		die("the guest is not seen");
	usleep(200000); /* both rings are enabled by messages of their own */
}

static void
measure_all(struct sender s[2])
{
	static const uint16_t sizes[] = {64, 1514};
	static const uint32_t pauses[] = {0, 4000};

	printf("%-22s %5s %6s %8s %8s %8s %8s %8s %9s %9s\n", "", "bytes", "pause", "p50", "p99",
	       "p99.9", "p50 us", "p99.9 us", "Mframes/s", "refused %");
	for (size_t i = 0; i < RTE_DIM(sizes); i++) {
		for (size_t k = 0; k < RTE_DIM(pauses); k++) {
			s[0].ring = s[1].ring = 0;
			measure("one worker", sizes[i], pauses[k], s, 1);
			measure("two, one ring", sizes[i], pauses[k], s, 2);
			s[1].ring = 1;
			measure("two, a ring each", sizes[i], pauses[k], s, 2);
		}
	}
}

int
main(int argc, char **argv)
{
	char lcores[64], path[64];
	char *args[] = {argv[0],    lcores,           "--no-huge",         "-m", "256",
			"--no-pci", "--no-telemetry", "--log-level=error", NULL};
	struct sender s[2] = {0};

	if (argc != 3) {
		fprintf(stderr, "usage: ring_bench CPU CPU\n");
		return EXIT_FAILURE;
	}
	snprintf(lcores, sizeof(lcores), "--lcores=0@%s,1@%s", argv[1], argv[2]);
	snprintf(path, sizeof(path), "/tmp/ring_bench.%d", (int)getpid());
	if (rte_eal_init((int)RTE_DIM(args) - 1, args) < 0)
		die("EAL");
	pool = rte_pktmbuf_pool_create("frames", 16383, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	if (pool == NULL)
		die("no memory");
	start_guest(path);
	signal(SIGALRM, on_alarm);
	for (int i = 0; i < 2; i++) {
		s[i].samples = calloc(SAMPLES, sizeof(uint32_t));
		if (s[i].samples == NULL || rte_pktmbuf_alloc_bulk(pool, s[i].pkts, BURST) != 0)
			die("no memory");
	}
	measure_all(s);
	rte_eth_dev_stop(guest);
	rte_eth_dev_close(guest); /* while somebody listens to it */
	rte_vhost_driver_unregister(path);
	rte_eal_cleanup();
	for (int i = 0; i < 2; i++)
		free(s[i].samples);
	return 0;
}
