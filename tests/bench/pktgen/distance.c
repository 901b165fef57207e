/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * How far two CPUs are apart: the time that a cache line takes to the other one and back. All that
 * switch and guests share travels this way, and a hypervisor may move a machine's CPUs from one
 * cache to two between two runs. Called while nothing is measured: it takes some of the other CPU.
 * A switch that polls there shares it; the least of several tries is one that it did not disturb.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "tests/bench/pktgen/pktgen.h"

#define TRIPS 2000
#define TRIES 10
#define END UINT32_MAX

struct ball {
	_Alignas(128) uint32_t at; /* even: ours to hit, odd: theirs */
};

static void *
hit_back(void *argument)
{
	struct ball *ball = argument;
	uint32_t at;

	for (;;) {
		at = __atomic_load_n(&ball->at, __ATOMIC_ACQUIRE);
		if (at == END)
			return NULL;
		if (at % 2 == 1)
			__atomic_store_n(&ball->at, at + 1, __ATOMIC_RELEASE);
	}
}

/* TSC cycles of a trip there and back, the least of some tries; 0: not within a second. */
static double
trip(const struct pktgen *g, struct ball *ball)
{
	uint64_t give_up = tsc() + (uint64_t)g->hz;
	double least = 0;

	for (int try = 0; try < TRIES; try++) {
		uint64_t start = tsc();
		double cycles;

		for (int i = 0; i < TRIPS; i++) {
			uint32_t at = __atomic_load_n(&ball->at, __ATOMIC_RELAXED);

			__atomic_store_n(&ball->at, at + 1, __ATOMIC_RELEASE);
			while (__atomic_load_n(&ball->at, __ATOMIC_ACQUIRE) != at + 2)
				if (tsc() > give_up)
					return 0;
		}
		cycles = (double)(tsc() - start) / TRIPS;
		if (least == 0 || cycles < least)
			least = cycles;
	}
	return least;
}

int
distance_measure(const struct pktgen *g, int cpu, double *ns)
{
	struct ball ball = {0};
	pthread_attr_t attributes;
	pthread_t thread;
	cpu_set_t cpus;
	int rc;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	pthread_attr_init(&attributes);
	rc = pthread_attr_setaffinity_np(&attributes, sizeof(cpus), &cpus);
	if (rc == 0)
		rc = pthread_create(&thread, &attributes, hit_back, &ball);
	pthread_attr_destroy(&attributes);
	if (rc != 0)
		return -rc;
	*ns = trip(g, &ball) / g->hz * 1e9;
	__atomic_store_n(&ball.at, END, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	return *ns > 0 ? 0 : -EBUSY;
}
