/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * The names of drop reasons are interface (JSON keys): unique, lower case, and the ones that the
 * design names are there. Every reason and every rule has a text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/reasons.h"

static void
names(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < DROP_REASON_COUNT; i++) {
		const char *name = drop_reason_name(i);

		assert_non_null(name);
		assert_in_range(strlen(name), 3, 24);
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
		assert_true(name[0] != '_' && name[strlen(name) - 1] != '_');
		assert_null(strstr(name, "__"));
		for (unsigned int k = 0; k < i; k++)
			assert_string_not_equal(name, drop_reason_name(k));
	}
}

static void
names_of_the_design(void **state)
{
	static const char *const wanted[] = {"no_port", "isolated", "own_reflection",
					     "mac_control"};

	(void)state;
	for (size_t w = 0; w < sizeof(wanted) / sizeof(wanted[0]); w++) {
		unsigned int i = 0;

		while (i < DROP_REASON_COUNT && strcmp(drop_reason_name(i), wanted[w]) != 0)
			i++;
		assert_true(i < DROP_REASON_COUNT);
	}
}

/* One line, for a person, without the full stop or newline that the printer adds. */
static void
check_text(const char *text)
{
	assert_non_null(text);
	assert_in_range(strlen(text), 10, 120);
	assert_null(strchr(text, '\n'));
	assert_null(strstr(text, "  "));
	assert_true(text[strlen(text) - 1] != '.');
}

static void
texts(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < DROP_REASON_COUNT; i++)
		check_text(drop_reason_text(i));
	for (unsigned int i = 0; i < FORWARD_RULE_COUNT; i++) {
		check_text(forward_rule_text(i));
		for (unsigned int k = 0; k < i; k++)
			assert_string_not_equal(forward_rule_text(i), forward_rule_text(k));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(names_of_the_design),
		cmocka_unit_test(texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
