/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */

/*
 * cpu_list_parse and eal_args_build: what the EAL gets on which machine. No root, no hugepages.
 */

#include "tests/unit/config_fixture.h"

#include <errno.h>

#include "config/keys.h"

static void
test_cpu_list(void **state)
{
	static const char *const bad[] = {
		"",      ",",    "1,", "1-",   "-1",  "5-2", "1,1",
		"1-3,2", "1 ,2", "a",  "1024", "1;2", "0-8", "99999999999999999999"};
	uint32_t cpus[8];

	(void)state;
	assert_int_equal(cpu_list_parse("7,2-5", cpus, 8), 5);
	assert_int_equal(cpus[0], 2);
	assert_int_equal(cpus[3], 5);
	assert_int_equal(cpus[4], 7);
	assert_int_equal(cpu_list_parse("1023", cpus, 8), 1);
	assert_int_equal(cpu_list_parse("0-7", cpus, 8), 8);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(cpu_list_parse(bad[i], cpus, 8), -EINVAL);
}

static const uint32_t four_cpus[] = {0, 1, 2, 3};

#define EAL_TEXT_SIZE 4096

/* The vector of these settings, joined by '|'; NULL where refused. */
static char *
eal(uint32_t workers, const char *cpus, const char *words, const char *const *extra,
    uint64_t free_huge, bool *huge, struct errmsg *e)
{
	struct eal_facts facts = {.program = "macvswitchd",
				  .extra = extra,
				  .free_hugepage_bytes = free_huge,
				  .cpus = four_cpus,
				  .n_cpus = 4};
	struct daemon_settings d;
	char **args, *text;

	daemon_defaults(&d);
	d.workers = workers;
	strlcpy(d.worker_cpus, cpus, sizeof(d.worker_cpus));
	strlcpy(d.eal, words, sizeof(d.eal));
	args = eal_args_build(&d, &facts, huge, e);
	if (args == NULL)
		return NULL;
	text = calloc(1, EAL_TEXT_SIZE);
	assert_non_null(text);
	for (char **a = args; *a != NULL; a++) {
		strlcat(text, a > args ? "|" : "", EAL_TEXT_SIZE);
		strlcat(text, *a, EAL_TEXT_SIZE);
	}
	eal_args_free(args);
	return text;
}

#define GIB (1ULL << 30)
#define PREFIX "|--file-prefix=macvswitch"
#define LCORES "--lcores=0@(0,2,3),1@1,(2-4)@(0,2,3)"
#define NO_DEVICES "|--allow=0000:00:00.0"
#define OURS PREFIX "|--in-memory" NO_DEVICES
#define NO_HUGE_OURS PREFIX "|--no-shconf" NO_DEVICES

static void
test_eal_args(void **state)
{
	static const char *const none[] = {NULL};
	static const char *const extra[] = {"--log-level", "pmd:8", "--no-huge", NULL};
	static const struct {
		uint32_t workers;
		const char *cpus, *words;
		const char *const *extra;
		uint64_t free_huge;
		bool huge;
		const char *args;
	} rows[] = {
		{1, "", "", NULL, GIB, true,
		 "macvswitchd|--lcores=0@(0,1,2),1@3,(2-4)@(0,1,2)" OURS},
		{2, "", "", none, GIB, true,
		 "macvswitchd|--lcores=0@(0,1),1@3,2@2,(3-4)@(0,1)" OURS},
		{3, "", "", none, GIB, true, "macvswitchd|--lcores=0@(0),1@3,2@2,3@1,4@(0)" OURS},
		{4, "", "", NULL, GIB, true,
		 "macvswitchd|--lcores=0@(0,1,2,3),1@3,2@2,3@1,4@0" OURS},
		{2, "0,2", "", NULL, GIB, true,
		 "macvswitchd|--lcores=0@(1,3),1@0,2@2,(3-4)@(1,3)" OURS},
		{1, "1", "", NULL, 255 << 20, false,
		 "macvswitchd|" LCORES "|--no-huge|-m|512" NO_HUGE_OURS},
		{1, "1", "", NULL, 256 << 20, true, "macvswitchd|" LCORES OURS},
		{1, "1", "--no-huge", NULL, GIB, false,
		 "macvswitchd|" LCORES "|-m|512" NO_HUGE_OURS "|--no-huge"},
		{1, "1", "--no-huge -m 64", NULL, GIB, false,
		 "macvswitchd|" LCORES NO_HUGE_OURS "|--no-huge|-m|64"},
		{1, "1", "--no-huge -m64", NULL, 0, false,
		 "macvswitchd|" LCORES NO_HUGE_OURS "|--no-huge|-m64"},
		{1, "1", "--socket-mem=64", NULL, 0, true,
		 "macvswitchd|" LCORES OURS "|--socket-mem=64"},
		{1, "1", "--huge-dir /x", NULL, 0, true,
		 "macvswitchd|" LCORES OURS "|--huge-dir|/x"},
		{1, "1", "--legacy-mem", NULL, 0, true,
		 "macvswitchd|" LCORES "|--file-prefix=macvswitch" NO_DEVICES "|--legacy-mem"},
		{1, "1", "--huge-unlink=always --file-prefix=x", NULL, GIB, true,
		 "macvswitchd|" LCORES NO_DEVICES "|--huge-unlink=always|--file-prefix=x"},
		{1, "1", "--in-memory", NULL, 0, true,
		 "macvswitchd|" LCORES "|--file-prefix=macvswitch" NO_DEVICES "|--in-memory"},
		{1, "1", " --vdev='net_tap0,iface=a b'  \"c'd\" '' ", NULL, GIB, true,
		 "macvswitchd|" LCORES OURS "|--vdev=net_tap0,iface=a b|c'd|"},
		{1, "1", "-a 0:1.0", extra, GIB, false,
		 "macvswitchd|" LCORES "|-m|512" PREFIX
		 "|--no-shconf|-a|0:1.0|--log-level|pmd:8|--no-huge"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct errmsg e = {""};
		bool huge = !rows[i].huge;
		char *text = eal(rows[i].workers, rows[i].cpus, rows[i].words, rows[i].extra,
				 rows[i].free_huge, &huge, &e);

		if (text == NULL)
			fail_msg("%s", e.text);
		assert_string_equal(text, rows[i].args);
		assert_int_equal(huge, rows[i].huge);
		free(text);
	}
}

static void
test_eal_refusals(void **state)
{
	static const char *const extra[] = {"--lcores=1", NULL};
	static const struct {
		uint32_t workers;
		const char *cpus, *words;
		const char *const *extra;
		const char *reason;
	} rows[] = {
		{5, "", "", NULL, "workers: '5' is more than the 4 CPUs"},
		{2, "3-4", "", NULL, "worker_cpus: CPU 4 is none of the 4 CPUs"},
		{1, "x", "", NULL, "worker_cpus: 'x' is not accepted; a CPU list such as 2-5,7"},
		{1, "", "-l 1", NULL, "eal: '-l' is not accepted"},
		{1, "", "-l1-2", NULL, "use worker_cpus"},
		{1, "", "-c 3", NULL, "eal: '-c' is not accepted"},
		{1, "", "--lcores 1", NULL, "use worker_cpus"},
		{1, "", "--lcore 1", NULL, "eal: '--lcore' is not accepted"},
		{1, "", "--coremask=3", NULL, "use worker_cpus"},
		{1, "", "--main-lcore=1", NULL, "use worker_cpus"},
		{1, "", "-a 'x", NULL, "eal: a ' is not closed"},
		{1, "", "", extra, "eal: '--lcores=1' is not accepted"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct errmsg e = {""};
		bool huge;

		assert_null(eal(rows[i].workers, rows[i].cpus, rows[i].words, rows[i].extra, GIB,
				&huge, &e));
		assert_has(e.text, rows[i].reason);
	}
}

/* Main floats over the one CPU that the worker has as well. */
static void
test_eal_one_cpu(void **state)
{
	const uint32_t cpu = 5;
	struct eal_facts facts = {
		.program = "p", .free_hugepage_bytes = GIB, .cpus = &cpu, .n_cpus = 1};
	struct daemon_settings d;
	struct errmsg e;
	char **args;
	bool huge;

	(void)state;
	daemon_defaults(&d);
	args = eal_args_build(&d, &facts, &huge, &e);
	assert_non_null(args);
	assert_string_equal(args[1], "--lcores=0@(5),1@5");
	eal_args_free(args);
	eal_args_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpu_list),
		cmocka_unit_test(test_eal_args),
		cmocka_unit_test(test_eal_refusals),
		cmocka_unit_test(test_eal_one_cpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
