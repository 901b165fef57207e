/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * pktgen's histogram: quantiles are right to a 64th, from 0 to the largest number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/bench/pktgen/pktgen.h"

static struct histogram *
fresh(void)
{
	struct histogram *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	return h;
}

static void
one_value_comes_back(void **state)
{
	(void)state;
	for (unsigned int bit = 0; bit < 64; bit++) {
		for (int off = -1; off <= 1; off++) {
			uint64_t value = (1ull << bit) + (uint64_t)(int64_t)off;
			struct histogram *h = fresh();
			uint64_t got;

			histogram_add(h, value);
			got = histogram_quantile(h, 0.5);
			assert_true(got <= value && value - got <= value / 64);
			assert_int_equal(h->max, value);
			free(h);
		}
	}
}

static void
quantiles_of_a_ramp(void **state)
{
	struct histogram *h = fresh();

	(void)state;
	for (uint64_t i = 1; i <= 100000; i++)
		histogram_add(h, i);
	assert_int_equal(h->count, 100000);
	assert_in_range(histogram_quantile(h, 0.5), 50000, 50000 + 50000 / 64 + 1);
	assert_in_range(histogram_quantile(h, 0.99), 99000, 100000);
	assert_in_range(histogram_quantile(h, 0.999), 99900, 100000);
	assert_int_equal(histogram_quantile(h, 1), 100000);
	assert_in_range(histogram_quantile(h, 0), 0, 1);
	free(h);
}

static void
rare_values_are_not_lost(void **state)
{
	struct histogram *h = fresh();

	(void)state;
	for (int i = 0; i < 998; i++)
		histogram_add(h, 10);
	histogram_add(h, 1u << 30);
	histogram_add(h, 1u << 30);
	assert_int_equal(histogram_quantile(h, 0.5), 10);
	assert_int_equal(histogram_quantile(h, 0.998), 10);
	assert_int_equal(histogram_quantile(h, 0.999), 1u << 30);
	free(h);
}

static void
nothing_is_zero(void **state)
{
	struct histogram *h = fresh();

	(void)state;
	assert_int_equal(histogram_quantile(h, 0.99), 0);
	free(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_value_comes_back),
		cmocka_unit_test(quantiles_of_a_ramp),
		cmocka_unit_test(rare_values_are_not_lost),
		cmocka_unit_test(nothing_is_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
