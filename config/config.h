/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "config/errmsg.h"
#include "config/settings.h"

/*
 * Files in and out: the INI file becomes a struct settings, is checked as a whole, and can be
 * written back. Called by the control thread only (start, `--check`, reload, save).
 */

/*
 * Reads and checks path. 0 with *s filled (the caller frees it with settings_free), or a negative
 * errno with *s untouched and *e saying FILE:LINE, section, key and the accepted values:
 * -ENOENT, -EACCES...: cannot be read; -EINVAL: bad syntax, unknown section or key, bad, cut,
 * duplicate or missing value, or settings_check's reasons.
 */
int config_load(const char *path, struct settings *s, struct errmsg *e);

/* Defaults for everything, no uplink, no port. */
void settings_init(struct settings *s);
void settings_free(struct settings *s);

struct uplink_settings *settings_find_uplink(const struct settings *s, const char *name);
struct port_settings *settings_find_port(const struct settings *s, const char *name);
/* Append a copy. 0; -EEXIST: the name is taken; -ENOSPC: MAX_UPLINKS or MAX_PORTS; -ENOMEM. */
int settings_add_uplink(struct settings *s, const struct uplink_settings *u, struct errmsg *e);
int settings_add_port(struct settings *s, const struct port_settings *p, struct errmsg *e);

/*
 * The rules that need no running switch, over all of s: names, sockets, devices and MACs unique
 * (MACs within an uplink), each port's uplink exists, exactly one of socket and device, a passthru
 * port alone on its uplink, nopromisc only with passthru, MAC neither zero (unless unset) nor
 * multicast. 0; -EEXIST, -EINVAL or -ENOENT with the two culprits named.
 */
int settings_check(const struct settings *s, struct errmsg *e);

/* The same rules for one port alone, and for one against the others of s (skipping its own name).
 */
int port_settings_check(const struct settings *s, const struct port_settings *p, struct errmsg *e);
int uplink_settings_check(const struct settings *s, const struct uplink_settings *u,
			  struct errmsg *e);

/* Writes s as config_load reads it. 0, or -EINVAL: a value that could not be read back. */
int config_print(FILE *f, const struct settings *s, struct errmsg *e);

/*
 * Writes s so that config_load gives the same again, by way of a temporary file beside path and
 * rename(2), so that path is whole at all times. Keys that have their default are left out, a
 * port's mac never is. 0 or a negative errno, *e names the file.
 */
int config_save(const char *path, const struct settings *s, struct errmsg *e);

/* The CPU list text ("2-5,7") as numbers in ascending order. The count, or -EINVAL. max: capacity
 * of cpus. */
int cpu_list_parse(const char *text, uint32_t *cpus, uint32_t max);

/*
 * The CPU of each worker, by worker: those of worker_cpus, ascending, or the highest of the n_cpus
 * that the process may run on, descending, so that one more worker moves none. The number of
 * workers, or -EINVAL: more than there are, or a CPU that is none of cpus. chosen: MAX_WORKERS.
 */
int worker_cpus_choose(const struct daemon_settings *d, const uint32_t *cpus, uint32_t n_cpus,
		       uint32_t *chosen, struct errmsg *e);

/* What eal_args_build needs to know of the machine and the command line. */
struct eal_facts {
	const char *program;      /* argv[0] */
	const char *const *extra; /* what came behind `--`, NULL terminated; may be NULL */
	uint64_t free_hugepage_bytes;
	const uint32_t *cpus; /* CPUs this process may run on, ascending */
	uint32_t n_cpus;
};

/*
 * The EAL's argument vector, NULL terminated, to be freed with eal_args_free: --lcores with a
 * worker lcore for each CPU (lcore ids 1..N; the first ones on the workers' CPUs, those for workers
 * to come floating; the main lcore is 0 and floats over the CPUs without a worker, or over all), a
 * --file-prefix of its own, --in-memory (with --no-huge
 * --no-shconf, as the EAL refuses the two together), the settings' `eal` words, then `extra`.
 * Without a memory choice among those words: hugepages if at least 256 MiB are free, else
 * --no-huge -m 512. A worker CPU that is not in cpus is -EINVAL. NULL: see *e.
 * *huge says what was chosen (true: hugepages).
 */
char **eal_args_build(const struct daemon_settings *d, const struct eal_facts *facts, bool *huge,
		      struct errmsg *e);
void eal_args_free(char **args);
