/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */

/*
 * CPU lists as the kernel and taskset write them ("2-5,7"), for worker_cpus, and the choice of the
 * workers' CPUs. Called when the key is parsed, when the EAL's arguments are built, and when the
 * workers change; on the control thread.
 */

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "config/config.h"

/* The digits at *text, which moves behind them. -1: no number, or no CPU that cpu_set_t can name.
 */
static int
parse_cpu(const char **text)
{
	int cpu = 0;

	if (**text < '0' || **text > '9')
		return -1;
	for (; **text >= '0' && **text <= '9'; (*text)++) {
		cpu = 10 * cpu + (**text - '0');
		if (cpu >= CPU_SETSIZE)
			return -1;
	}
	return cpu;
}

/* One CPU or range into set. A CPU that is there already is a typing error, not a wish. */
static int
parse_range(const char **text, cpu_set_t *set)
{
	int first = parse_cpu(text), last = first;

	if (first >= 0 && **text == '-') {
		(*text)++;
		last = parse_cpu(text);
	}
	if (first < 0 || last < first)
		return -EINVAL;
	for (int cpu = first; cpu <= last; cpu++) {
		if (CPU_ISSET(cpu, set))
			return -EINVAL;
		CPU_SET(cpu, set);
	}
	return 0;
}

int
cpu_list_parse(const char *text, uint32_t *cpus, uint32_t max)
{
	uint32_t n = 0;
	cpu_set_t set;

	CPU_ZERO(&set);
	for (;;) {
		if (parse_range(&text, &set) != 0)
			return -EINVAL;
		if (*text == '\0')
			break;
		if (*text++ != ',')
			return -EINVAL;
	}
	if ((uint32_t)CPU_COUNT(&set) > max)
		return -EINVAL;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus[n++] = cpu;
	return n;
}

static bool
has_cpu(const uint32_t *cpus, uint32_t n, uint32_t cpu)
{
	for (uint32_t i = 0; i < n; i++)
		if (cpus[i] == cpu)
			return true;
	return false;
}

int
worker_cpus_choose(const struct daemon_settings *d, const uint32_t *cpus, uint32_t n_cpus,
		   uint32_t *chosen, struct errmsg *e)
{
	int n;

	if (d->worker_cpus[0] == '\0') {
		if (d->workers > n_cpus)
			return err_set(e, -EINVAL,
				       "workers: '%u' is more than the %u CPUs that this process "
				       "may run on",
				       d->workers, n_cpus);
		/* The low CPUs serve the host's interrupts as a rule: they are left to control. */
		for (uint32_t i = 0; i < d->workers; i++)
			chosen[i] = cpus[n_cpus - 1 - i];
		return (int)d->workers;
	}
	n = cpu_list_parse(d->worker_cpus, chosen, MAX_WORKERS);
	if (n < 0)
		return err_set(e, -EINVAL,
			       "worker_cpus: '%.128s' is not accepted; a CPU list such "
			       "as 2-5,7",
			       d->worker_cpus);
	for (int i = 0; i < n; i++)
		if (!has_cpu(cpus, n_cpus, chosen[i]))
			return err_set(e, -EINVAL,
				       "worker_cpus: CPU %u is none of the %u CPUs that this "
				       "process may run on",
				       chosen[i], n_cpus);
	return n;
}
