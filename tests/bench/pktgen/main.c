/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * pktgen CPU: started by tests/bench/generator.py with that CPU to itself. Commands on stdin,
 * answers on stdout; it ends with its input, and with its parent.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "tests/bench/pktgen/pktgen.h"

static double
seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double
tsc_hz(void)
{
	double start = seconds_now(), now;
	uint64_t from = tsc();

	do
		now = seconds_now();
	while (now - start < 0.05);
	return (double)(tsc() - from) / (now - start);
}

static void
answer(json_t *object)
{
	if (object == NULL || json_dumpf(object, stdout, JSON_COMPACT) != 0)
		fputs("{\"error\": \"no memory for the answer\"}", stdout);
	fputc('\n', stdout);
	fflush(stdout);
	json_decref(object);
}

int
main(int argc, char **argv)
{
	static struct pktgen g = {.hugepages = true};
	char *line = NULL, *end = NULL;
	size_t size = 0;
	cpu_set_t cpus;
	long cpu = argc == 2 ? strtol(argv[1], &end, 10) : -1;

	if (cpu < 0 || cpu >= CPU_SETSIZE || *end != '\0')
		return fputs("usage: pktgen CPU\n", stderr), 2;
	CPU_ZERO(&cpus);
	CPU_SET((int)cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0)
		return fprintf(stderr, "pktgen: CPU %ld: %s\n", cpu, strerror(errno)), 1;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	g.hz = tsc_hz();
	answer(json_pack("{s:f}", "tsc_hz", g.hz));
	while (getline(&line, &size, stdin) > 0)
		answer(command_execute(&g, line));
	free(line);
	return 0;
}
