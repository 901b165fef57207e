/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */

/*
 * From the settings and the machine to the argument vector of rte_eal_init. Called once by main on
 * the main thread, before DPDK is up. Pure: what there is of CPUs and hugepages comes as
 * struct eal_facts.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/defaults.h"

struct words {
	char **v; /* each owned */
	size_t n;
};

static int
words_add_part(struct words *w, const char *word, size_t len, struct errmsg *e)
{
	char **v = reallocarray(w->v, w->n + 1, sizeof(*v));

	if (v != NULL) {
		w->v = v;
		v[w->n] = strndup(word, len);
	}
	if (v == NULL || v[w->n] == NULL)
		return err_set(e, -ENOMEM, "EAL arguments: out of memory");
	w->n++;
	return 0;
}

static int
words_add(struct words *w, const char *word, struct errmsg *e)
{
	return words_add_part(w, word, strlen(word), e);
}

static void
words_free(struct words *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->v[i]);
	free(w->v);
}

/* Blanks part words, except in '' and "", which may stand inside of a word, as in a shell. */
static int
words_split(struct words *w, const char *text, struct errmsg *e)
{
	char word[TEXT_SIZE];

	while (*(text += strspn(text, " \t")) != '\0') {
		char quote = '\0';
		size_t n = 0;
		int err;

		for (; *text != '\0' && (quote != '\0' || strchr(" \t", *text) == NULL); text++) {
			if (quote != '\0' && *text == quote)
				quote = '\0';
			else if (quote == '\0' && (*text == '\'' || *text == '"'))
				quote = *text;
			else if (n < sizeof(word))
				word[n++] = *text;
		}
		if (quote != '\0')
			return err_set(e, -EINVAL, "eal: a %c is not closed", quote);
		err = words_add_part(w, word, n, e);
		if (err != 0)
			return err;
	}
	return 0;
}

/*
 * Is word the option name ("-m", "--no-huge"), alone or with its value attached? The EAL uses
 * getopt_long, so "--no-hug" is --no-huge as well; shorter than this is ambiguous anyway.
 */
static bool
is_option(const char *word, const char *name)
{
	size_t len = strcspn(word, "=");

	if (strncmp(name, "--", 2) != 0)
		return strncmp(word, name, 2) == 0;
	return len >= strlen("--lco") && strncmp(word, name, len) == 0;
}

static const char *
find_option(const struct words *w, const char *const *names)
{
	for (size_t i = 0; i < w->n; i++)
		for (const char *const *name = names; *name != NULL; name++)
			if (is_option(w->v[i], *name))
				return w->v[i];
	return NULL;
}

static bool
is_worker_cpu(uint32_t cpu, const uint32_t *workers, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (workers[i] == cpu)
			return true;
	return false;
}

/* The CPUs that no worker has, or all where there are none: "(0,1,3)". */
static void
print_other_cpus(FILE *f, const struct eal_facts *facts, const uint32_t *workers, uint32_t n)
{
	const char *comma = "";

	fputc('(', f);
	for (uint32_t i = 0; i < facts->n_cpus; i++) {
		if (n < facts->n_cpus && is_worker_cpu(facts->cpus[i], workers, n))
			continue;
		fprintf(f, "%s%u", comma, facts->cpus[i]);
		comma = ",";
	}
	fputc(')', f);
}

/*
 * --lcores=0@(0,1),1@3,2@2,(3-4)@(0,1): main on the CPUs that no worker has, each worker on its
 * own, and lcores for workers to come, as many as there are CPUs: they sleep until then.
 */
static int
add_lcores(struct words *w, const struct daemon_settings *d, const struct eal_facts *facts,
	   struct errmsg *e)
{
	uint32_t most = facts->n_cpus < MAX_WORKERS ? facts->n_cpus : MAX_WORKERS;
	uint32_t workers[MAX_WORKERS], n;
	int err = worker_cpus_choose(d, facts->cpus, facts->n_cpus, workers, e);
	char *text = NULL;
	size_t size;
	FILE *f;

	if (err < 0)
		return err;
	n = (uint32_t)err;
	f = open_memstream(&text, &size);
	if (f == NULL)
		return err_set(e, -ENOMEM, "EAL arguments: out of memory");
	fputs("--lcores=0@", f);
	print_other_cpus(f, facts, workers, n);
	for (uint32_t i = 0; i < n; i++)
		fprintf(f, ",%u@%u", i + 1, workers[i]);
	if (n < most) {
		fprintf(f, n + 1 < most ? ",(%u-%u)@" : ",%u@", n + 1, most);
		print_other_cpus(f, facts, workers, n);
	}
	err = fclose(f) == 0 ? words_add(w, text, e)
			     : err_set(e, -ENOMEM, "EAL arguments: out of memory");
	free(text);
	return err;
}

/* Hugepages or not, and how much without. */
static int
add_memory(struct words *w, const struct words *user, const struct eal_facts *facts, bool *huge,
	   struct errmsg *e)
{
	static const char *const no_huge[] = {"--no-huge", NULL};
	static const char *const megabytes[] = {"-m", NULL};
	/* The EAL refuses --no-huge beside nearly all of these: they are a choice of hugepages. */
	static const char *const choices[] = {
		"-m",
		"--socket-mem",
		"--socket-limit",
		"--huge-dir",
		"--legacy-mem",
		"--in-memory",
		"--huge-unlink",
		"--huge-worker-stack",
		"--match-allocations",
		"--single-file-segments",
		NULL,
	};
	bool user_no_huge = find_option(user, no_huge) != NULL;
	bool ours = !user_no_huge && find_option(user, choices) == NULL &&
		    facts->free_hugepage_bytes < MIN_FREE_HUGEPAGE_BYTES;
	int err = 0;

	*huge = !user_no_huge && !ours;
	if (ours)
		err = words_add(w, "--no-huge", e);
	if (err == 0 && !*huge && find_option(user, megabytes) == NULL) {
		err = words_add(w, "-m", e);
		if (err == 0)
			err = words_add(w, NO_HUGE_MEMORY_MB, e);
	}
	return err;
}

/*
 * Nothing in the file system that outlives the daemon or that a second one could meet:
 * --in-memory. DPDK (22.11) refuses it beside --no-huge, where --no-shconf does the same because
 * there are no hugepage files.
 */
static int
add_files(struct words *w, const struct words *user, bool huge, struct errmsg *e)
{
	static const char *const prefix[] = {"--file-prefix", NULL};
	/* These exclude --in-memory, or say the same. */
	static const char *const files[] = {"--in-memory", "--huge-unlink", "--legacy-mem",
					    "--no-shconf", NULL};
	int err = 0;

	if (find_option(user, prefix) == NULL)
		err = words_add(w, "--file-prefix=" EAL_FILE_PREFIX, e);
	if (err == 0 && find_option(user, files) == NULL)
		err = words_add(w, huge ? "--in-memory" : "--no-shconf", e);
	return err;
}

/*
 * The EAL would probe every PCI device that is bound to a DPDK driver, also those that belong to
 * other programs. An uplink's device is attached by name later, which an allow list does not stop,
 * so one that exists nowhere keeps the EAL's hands off.
 */
static int
add_devices(struct words *w, const struct words *user, struct errmsg *e)
{
	static const char *const devices[] = {"-a", "-b", "--allow", "--block", "--no-pci", NULL};

	if (find_option(user, devices) != NULL)
		return 0;
	return words_add(w, "--allow=0000:00:00.0", e);
}

/*
 * One block for the vector and its texts, because rte_eal_init reorders and overwrites entries of
 * the vector: freeing them one by one would free wrong ones.
 */
static char **
pack(const struct words *ours, const struct words *user, struct errmsg *e)
{
	const struct words *both[] = {ours, user};
	size_t n = ours->n + user->n, size = (n + 1) * sizeof(char *);
	char **args, *text;

	for (size_t i = 0; i < n; i++)
		size += strlen(i < ours->n ? ours->v[i] : user->v[i - ours->n]) + 1;
	args = malloc(size);
	if (args == NULL) {
		err_set(e, -ENOMEM, "EAL arguments: out of memory");
		return NULL;
	}
	text = (char *)(args + n + 1);
	n = 0;
	for (size_t b = 0; b < 2; b++) {
		for (size_t i = 0; i < both[b]->n; i++) {
			args[n++] = text;
			text = stpcpy(text, both[b]->v[i]) + 1;
		}
	}
	args[n] = NULL;
	return args;
}

char **
eal_args_build(const struct daemon_settings *d, const struct eal_facts *facts, bool *huge,
	       struct errmsg *e)
{
	static const char *const cores[] = {"-l",       "-c",         "-s",           "-S",
					    "--lcores", "--coremask", "--main-lcore", NULL};
	struct words ours = {0}, user = {0};
	const char *refused;
	char **args = NULL;
	int err;

	err = words_split(&user, d->eal, e);
	for (const char *const *x = facts->extra; err == 0 && x != NULL && *x != NULL; x++)
		err = words_add(&user, *x, e);
	if (err == 0 && (refused = find_option(&user, cores)) != NULL)
		err = err_set(e, -EINVAL,
			      "eal: '%.64s' is not accepted, the daemon places its threads itself; "
			      "use worker_cpus",
			      refused);
	if (err == 0)
		err = words_add(&ours, facts->program, e);
	if (err == 0)
		err = add_lcores(&ours, d, facts, e);
	if (err == 0)
		err = add_memory(&ours, &user, facts, huge, e);
	if (err == 0)
		err = add_files(&ours, &user, *huge, e);
	if (err == 0)
		err = add_devices(&ours, &user, e);
	if (err == 0)
		args = pack(&ours, &user, e);
	words_free(&ours);
	words_free(&user);
	return args;
}

void
eal_args_free(char **args)
{
	free(args);
}
