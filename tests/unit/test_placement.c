/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Which worker gets which queue: by count, and by measured load.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <string.h>

#include "config/settings.h"
#include "control/placement.h"

#define ALL UINT32_MAX
#define N(array) (sizeof(array) / sizeof((array)[0]))
#define PERIOD 1000

static struct placed_queue
queue(enum queue_class class, uint8_t worker, uint64_t cycles)
{
	return (struct placed_queue){.class = class,
				     .allowed = ALL,
				     .pinned = NO_WORKER,
				     .worker = worker,
				     .cycles = cycles};
}

/* Compares the workers with a text of digits, "01-": by queue, '-' for none. */
static void
expect(const struct placed_queue *q, uint32_t n, const char *workers)
{
	char got[64];

	for (uint32_t i = 0; i < n; i++)
		got[i] = q[i].worker == NO_WORKER ? '-' : (char)('0' + q[i].worker);
	got[n] = '\0';
	assert_string_equal(got, workers);
}

static void
fill(struct placed_queue *q, uint32_t n, enum queue_class class, const char *workers)
{
	for (uint32_t i = 0; i < n; i++)
		q[i] = queue(class, workers[i] == '-' ? NO_WORKER : (uint8_t)(workers[i] - '0'), 0);
}

static void
test_new_queues_are_spread(void **state)
{
	struct placed_queue q[6];

	(void)state;
	fill(q, 6, QUEUE_PORT, "------");
	placement_fill(q, 6, 3);
	expect(q, 6, "012012");
	fill(q, 6, QUEUE_PORT, "------");
	placement_fill(q, 6, 1);
	expect(q, 6, "000000");
	/* A NIC's queues are spread for themselves, but one goes where less is. */
	fill(q, 2, QUEUE_WIRE, "--");
	fill(q + 2, 3, QUEUE_PORT, "0--");
	placement_fill(q, 5, 2);
	expect(q, 5, "10010");
}

/* What has a worker stays, however uneven, when others come and go. */
static void
test_the_others_stay(void **state)
{
	struct placed_queue q[5];

	(void)state;
	fill(q, 5, QUEUE_PORT, "0010-");
	placement_fill(q, 5, 2);
	expect(q, 5, "00101");
	fill(q, 4, QUEUE_PORT, "0000");
	placement_fill(q, 4, 4);
	expect(q, 4, "0000");
}

static void
test_workers_that_are_gone_or_not_allowed(void **state)
{
	struct placed_queue q[4];

	(void)state;
	fill(q, 4, QUEUE_PORT, "0312");
	placement_fill(q, 4, 2);
	expect(q, 4, "0011");
	fill(q, 4, QUEUE_PORT, "00-1");
	for (int i = 0; i < 4; i++)
		q[i].allowed = 2; /* worker 1 alone */
	placement_fill(q, 4, 3);
	expect(q, 4, "1111");
}

static void
test_pins(void **state)
{
	struct placed_queue q[4];

	(void)state;
	fill(q, 4, QUEUE_PORT, "----");
	q[2].pinned = 0;
	q[3].pinned = 0;
	placement_fill(q, 4, 2);
	expect(q, 4, "1100");
	q[0].pinned = 5; /* no such worker: as if it were not there */
	q[1].pinned = 0;
	q[1].allowed = 2; /* one that does not serve it */
	placement_fill(q, 4, 2);
	expect(q, 4, "1100");
	placement_spread(q, 4, 2);
	expect(q, 4, "1100");
}

static void
test_spread(void **state)
{
	static const struct {
		uint32_t workers;
		const char *wire, *ports, *after;
	} rows[] = {
		{2, "", "0000", "0011"}, /* no more moves than it takes */
		{2, "0", "0", "01"},     /* the port's queue moves, not the NIC's */
		{2, "00", "00", "0101"},     {3, "", "000011", "000212"},
		{4, "", "0123", "0123"},     {2, "", "0001", "0011"},
		{1, "", "0101", "0000"},     {3, "0", "00", "021"},
		{2, "01", "0011", "010011"}, {2, "", "", ""},
	};
	struct placed_queue q[16];

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		uint32_t wires = (uint32_t)strlen(rows[i].wire);
		uint32_t n = wires + (uint32_t)strlen(rows[i].ports);
		uint32_t count[MAX_WORKERS] = {0}, low = UINT32_MAX, high = 0;

		fill(q, wires, QUEUE_WIRE, rows[i].wire);
		fill(q + wires, n - wires, QUEUE_PORT, rows[i].ports);
		placement_spread(q, n, rows[i].workers);
		for (uint32_t k = 0; k < n; k++)
			count[q[k].worker]++;
		for (uint32_t w = 0; w < rows[i].workers; w++) {
			low = count[w] < low ? count[w] : low;
			high = count[w] > high ? count[w] : high;
		}
		assert_true(high - low <= 1);
		if (i != 3) /* of several good ones */
			expect(q, n, rows[i].after);
	}
}

/* The same by chance: balanced, pins and masks kept, an end in any case. */
static void
test_spread_at_random(void **state)
{
	struct placed_queue q[40];

	(void)state;
	srand(1);
	for (int round = 0; round < 2000; round++) {
		uint32_t workers = 1 + (uint32_t)rand() % 6, n = (uint32_t)rand() % N(q);

		for (uint32_t i = 0; i < n; i++) {
			q[i] = queue(rand() % 2, (uint8_t)(rand() % 8), 0);
			if (rand() % 4 == 0)
				q[i].allowed = 1U << (uint32_t)rand() % workers;
			if (rand() % 8 == 0)
				q[i].pinned = (uint8_t)((uint32_t)rand() % workers);
		}
		placement_spread(q, n, workers);
		for (uint32_t i = 0; i < n; i++) {
			assert_true(q[i].worker < workers);
			assert_true(q[i].allowed >> q[i].worker & 1);
			if (q[i].pinned != NO_WORKER && q[i].allowed >> q[i].pinned & 1)
				assert_int_equal(q[i].worker, q[i].pinned);
		}
	}
}

static void
test_balance_separates_two_busy_queues(void **state)
{
	struct balance_outcome o;
	struct placed_queue q[3] = {queue(QUEUE_PORT, 0, 480), queue(QUEUE_PORT, 0, 470),
				    queue(QUEUE_PORT, 1, 0)};

	(void)state;
	assert_true(placement_balance(q, 3, 2, PERIOD, BALANCE_LIMITS, &o));
	expect(q, 3, "011");
	assert_int_equal(o.before, 95);
	assert_int_equal(o.after, 48);
	assert_int_equal(o.moves, 1);
	/* Once more: nothing is left to do. */
	assert_false(placement_balance(q, 3, 2, PERIOD, BALANCE_LIMITS, &o));
	expect(q, 3, "011");
}

/* Neither below the load at which it begins, nor for less than the gain that it wants. */
static void
test_balance_thresholds(void **state)
{
	struct balance_outcome o;
	struct placed_queue calm[] = {queue(QUEUE_PORT, 0, 400), queue(QUEUE_PORT, 0, 390)};
	struct placed_queue busy[] = {queue(QUEUE_PORT, 0, 400), queue(QUEUE_PORT, 0, 400)};
	struct placed_queue one[] = {queue(QUEUE_PORT, 0, 760), queue(QUEUE_PORT, 0, 240)};
	struct placed_queue enough[] = {queue(QUEUE_PORT, 0, 750), queue(QUEUE_PORT, 0, 250)};

	(void)state;
	assert_false(placement_balance(calm, 2, 2, PERIOD, BALANCE_LIMITS, &o));
	expect(calm, 2, "00");
	assert_int_equal(o.before, 79);
	assert_true(placement_balance(busy, 2, 2, PERIOD, BALANCE_LIMITS, &o));
	assert_false(
		placement_balance(one, 2, 2, PERIOD, BALANCE_LIMITS, &o)); /* from 100 to 76 % */
	expect(one, 2, "00");
	assert_true(
		placement_balance(enough, 2, 2, PERIOD, BALANCE_LIMITS, &o)); /* from 100 to 75 % */
	assert_false(placement_balance(enough, 2, 1, PERIOD, BALANCE_LIMITS, &o));
	assert_false(placement_balance(enough, 0, 2, PERIOD, BALANCE_LIMITS, &o));
	assert_false(placement_balance(enough, 2, 2, 0, BALANCE_LIMITS, &o));
}

static void
test_balance_keeps_pins_and_masks(void **state)
{
	struct balance_outcome o;
	struct placed_queue q[] = {queue(QUEUE_PORT, 0, 500), queue(QUEUE_PORT, 0, 300),
				   queue(QUEUE_WIRE, 0, 200), queue(QUEUE_PORT, 0, 0)};

	(void)state;
	q[0].pinned = 0;
	q[2].allowed = 1;
	assert_true(placement_balance(q, N(q), 3, PERIOD, BALANCE_LIMITS, &o));
	expect(q, N(q), "0100"); /* what costs nothing stays */
	assert_int_equal(o.after, 70);
	q[1].worker = 0;
	q[1].pinned = 0;
	assert_false(placement_balance(q, N(q), 3, PERIOD, BALANCE_LIMITS, &o));
	expect(q, N(q), "0000");
}

/* The longest first: the small ones fill up what is left. */
static void
test_balance_many(void **state)
{
	struct balance_outcome o;
	struct placed_queue q[] = {queue(QUEUE_PORT, 0, 100), queue(QUEUE_PORT, 0, 100),
				   queue(QUEUE_PORT, 0, 100), queue(QUEUE_PORT, 0, 300),
				   queue(QUEUE_PORT, 0, 300)};

	(void)state;
	assert_true(placement_balance(q, N(q), 3, PERIOD, BALANCE_LIMITS, &o));
	assert_int_equal(o.before, 90);
	assert_int_equal(o.after, 30);
	assert_int_not_equal(q[3].worker, q[4].worker);
	assert_int_equal(q[0].worker, q[1].worker);
	assert_int_equal(q[0].worker, q[2].worker);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_queues_are_spread),
		cmocka_unit_test(test_the_others_stay),
		cmocka_unit_test(test_workers_that_are_gone_or_not_allowed),
		cmocka_unit_test(test_pins),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_spread_at_random),
		cmocka_unit_test(test_balance_separates_two_busy_queues),
		cmocka_unit_test(test_balance_thresholds),
		cmocka_unit_test(test_balance_keeps_pins_and_masks),
		cmocka_unit_test(test_balance_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
