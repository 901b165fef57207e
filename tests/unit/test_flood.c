/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * The budget for flooded copies, alone: who is held to a share, for how long, and how few frames of
 * a source are taken at a time. Time is what the test says it is, except for the cost of a flood,
 * which the code itself measures with the TSC.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <rte_cycles.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/flood.h"

#define HZ UINT64_C(1000000000) /* of the invented clock */
#define MS (HZ / 1000)

static struct dataplane dp = {.tsc_hz = HZ};

struct fixture {
	struct worker *w;
	struct view *v;
	struct poll_state source;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->w = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*f->w));
	f->v = calloc(1, sizeof(*f->v));
	memset(f->w, 0, sizeof(*f->w));
	f->w->dp = &dp;
	f->w->current = f->v;
	f->w->now = 1000 * MS;
	f->v->uplinks[0].flood_share = 25;
	f->source = (struct poll_state){.burst = BURST};
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	free(f->w);
	free(f->v);
	free(f);
	return 0;
}

static void
spin(uint64_t cycles)
{
	uint64_t end = rte_rdtsc() + cycles;

	while (rte_rdtsc() < end)
		rte_pause();
}

/* One burst of floods that took so many cycles at least. */
static bool
flood(struct fixture *f, uint16_t frames, uint32_t copies, uint64_t cycles)
{
	bool admitted = flood_admit(f->w, &f->source, frames, copies);

	if (admitted)
		spin(cycles);
	flood_settle(f->w, &f->source);
	return admitted;
}

static void
alone_there_is_no_limit(void **state)
{
	struct fixture *f = *state;

	f->w->unicast_at = f->w->now - 11 * MS; /* longer ago than is remembered */
	for (int i = 0; i < 50; i++)
		assert_true(flood(f, 32, 32, MS));
	assert_int_equal(f->source.burst, BURST);
	assert_int_equal(f->source.flooded_until, 0);
}

/* 5 ms of the worker's time in hand, then a quarter of the time. */
static void
beside_unicast_there_is_a_share(void **state)
{
	struct fixture *f = *state;
	int admitted = 0;

	f->w->unicast_at = f->w->now;
	while (admitted < 100 && flood(f, 1, 2, MS))
		admitted++;
	assert_in_range(admitted, 1, 6); /* 1 ms each; fewer where we are not alone */
	assert_in_range(f->source.flooded_until, f->w->now + 20 * MS, UINT64_MAX);
	f->w->now = f->w->unicast_at = f->source.flooded_until - 21 * MS;
	assert_false(flood(f, 1, 2, 0));
	f->w->now = f->w->unicast_at = f->source.flooded_until - 20 * MS;
	assert_true(flood(f, 1, 2, 0));
}

static void
sources_have_a_share_each(void **state)
{
	struct fixture *f = *state;
	struct poll_state flooder;

	f->w->unicast_at = f->w->now;
	while (flood(f, 1, 2, 5 * MS))
		;
	flooder = f->source;
	f->source = (struct poll_state){.burst = BURST};
	assert_true(flood(f, 1, 2, 0));
	f->source = flooder;
	assert_false(flood(f, 1, 2, 0));
}

static void
a_share_of_100_is_no_limit(void **state)
{
	struct fixture *f = *state;

	f->v->uplinks[0].flood_share = 100;
	f->w->unicast_at = f->w->now;
	for (int i = 0; i < 50; i++) {
		uint64_t start = rte_rdtsc();

		assert_true(flood(f, 1, 2, MS));
		f->w->now = f->w->unicast_at = f->w->now + rte_rdtsc() - start;
	}
}

/* So that one look at a flooder's queue leads to 64 copies or so; others come in between. */
static void
a_flooder_is_looked_at_for_few_frames(void **state)
{
	struct fixture *f = *state;
	static const struct {
		uint32_t copies, burst;
	} rows[] = {{1, 32}, {2, 32}, {4, 16}, {32, 2}, {64, 1}, {250, 1}};

	f->w->unicast_at = f->w->now;
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		assert_true(flood(f, 1, rows[i].copies, 0));
		assert_int_equal(f->source.burst, rows[i].burst);
	}
	flood_settle(f->w, &f->source); /* a burst without floods */
	assert_int_equal(f->source.burst, BURST);
	assert_true(flood(f, 1, 64, 0));
	assert_int_equal(f->source.burst, 1);
	f->w->now += 11 * MS; /* no unicast any more */
	assert_true(flood(f, 1, 64, 0));
	assert_int_equal(f->source.burst, BURST);
}

/* A queue whose floods were refused is left alone for 50 us. */
static void
a_refused_flooder_is_left_alone(void **state)
{
	struct fixture *f = *state;

	f->w->unicast_at = f->w->now;
	while (flood(f, 1, 2, 3 * MS)) /* in between for six times what it took */
		assert_in_range(f->source.held_until, f->w->now + 18 * MS, UINT64_MAX);
	assert_int_equal(f->source.held_until, f->w->now + 50 * (HZ / 1000000));
	assert_int_equal(f->source.burst, BURST);
	f->source.held_until = 0;
	f->source.poll.from_wire = true; /* which has everybody's frames */
	assert_false(flood(f, 1, 2, 0));
	assert_int_equal(f->source.held_until, 0);
}

static void
the_wire_is_always_taken_in_full_bursts(void **state)
{
	struct fixture *f = *state;

	f->source.poll.from_wire = true;
	f->w->unicast_at = f->w->now;
	assert_true(flood(f, 1, 250, 0));
	assert_int_equal(f->source.burst, BURST);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(alone_there_is_no_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(beside_unicast_there_is_a_share, setup, teardown),
		cmocka_unit_test_setup_teardown(sources_have_a_share_each, setup, teardown),
		cmocka_unit_test_setup_teardown(a_share_of_100_is_no_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(a_flooder_is_looked_at_for_few_frames, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_refused_flooder_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(the_wire_is_always_taken_in_full_bursts, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
