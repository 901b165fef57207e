/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * CPUs and hugepages of this machine. Called by main.c before the EAL starts, and by workers.c.
 */
#include "control/machine.h"

#include <dirent.h>
#include <glob.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define HUGEPAGE_GLOB "/sys/kernel/mm/hugepages/hugepages-*kB/free_hugepages"

uint32_t
machine_cpus(uint32_t *cpus, uint32_t max)
{
	cpu_set_t set;
	uint32_t n = 0;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 0;
	for (uint32_t cpu = 0; cpu < CPU_SETSIZE && n < max; cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus[n++] = cpu;
	return n;
}

/* Failing is harmless: a thread that has just ended, or one that the system does not let us move.
 */
void
machine_place_threads(const cpu_set_t *set, const int *except, uint32_t n)
{
	DIR *threads = opendir("/proc/self/task");
	const struct dirent *entry;

	while (threads != NULL && (entry = readdir(threads)) != NULL) {
		int tid = (int)strtol(entry->d_name, NULL, 10);
		bool skip = tid <= 0;

		for (uint32_t i = 0; i < n; i++)
			skip |= except[i] == tid;
		if (!skip)
			sched_setaffinity(tid, sizeof(*set), set);
	}
	if (threads != NULL)
		closedir(threads);
}

static uint64_t
free_bytes(const char *path)
{
	uint64_t pages = 0, kilobytes = 0;
	FILE *f = fopen(path, "re");

	if (f == NULL)
		return 0;
	if (sscanf(path, "/sys/kernel/mm/hugepages/hugepages-%" SCNu64 "kB", &kilobytes) != 1 ||
	    fscanf(f, "%" SCNu64, &pages) != 1)
		pages = 0;
	fclose(f);
	return pages * kilobytes * 1024;
}

uint64_t
machine_free_hugepages(void)
{
	uint64_t sum = 0;
	glob_t paths;

	if (glob(HUGEPAGE_GLOB, 0, NULL, &paths) != 0)
		return 0;
	for (size_t i = 0; i < paths.gl_pathc; i++)
		sum += free_bytes(paths.gl_pathv[i]);
	globfree(&paths);
	return sum;
}
