/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Sets of ports at the ends and at the seams of their words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/portset.h"

static const uint16_t seams[] = {0, 1, 62, 63, 64, 65, 127, 128, 191, 192, MAX_PORTS - 1};
#define SEAMS (sizeof(seams) / sizeof(seams[0]))

static void
add_del_has(void **state)
{
	struct portset s = {0};

	(void)state;
	assert_true(portset_empty(&s));
	for (size_t i = 0; i < SEAMS; i++) {
		portset_add(&s, seams[i]);
		portset_add(&s, seams[i]);
		assert_int_equal(portset_count(&s), i + 1);
	}
	for (uint16_t p = 0; p < MAX_PORTS; p++) {
		bool is_in = false;

		for (size_t i = 0; i < SEAMS; i++)
			is_in |= seams[i] == p;
		assert_int_equal(portset_has(&s, p), is_in);
	}
	for (size_t i = 0; i < SEAMS; i++) {
		assert_false(portset_empty(&s));
		portset_del(&s, seams[i]);
		portset_del(&s, seams[i]);
	}
	assert_true(portset_empty(&s));
}

static void
take_in_order(void **state)
{
	struct portset s = {0};

	(void)state;
	for (size_t i = SEAMS; i > 0; i--)
		portset_add(&s, seams[i - 1]);
	for (size_t i = 0; i < SEAMS; i++)
		assert_int_equal(portset_take(&s), seams[i]);
	assert_true(portset_empty(&s));
}

static void
algebra(void **state)
{
	struct portset twos = {0}, threes = {0}, both, either;

	(void)state;
	for (uint16_t p = 0; p < MAX_PORTS; p++) {
		if (p % 2 == 0)
			portset_add(&twos, p);
		if (p % 3 == 0)
			portset_add(&threes, p);
	}
	both = portset_and(&twos, &threes);
	either = portset_or(&twos, &threes);
	for (uint16_t p = 0; p < MAX_PORTS; p++) {
		assert_int_equal(portset_has(&both, p), p % 6 == 0);
		assert_int_equal(portset_has(&either, p), p % 2 == 0 || p % 3 == 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(add_del_has),
		cmocka_unit_test(take_in_order),
		cmocka_unit_test(algebra),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
