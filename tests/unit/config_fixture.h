/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

/* What the tests of config/ share: a temporary folder with one file, and checks of texts. */

#include <bsd/string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"

struct fixture {
	char dir[64];
	char file[96];
};

static inline int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strlcpy(f->dir, "/tmp/test_config.XXXXXX", sizeof(f->dir));
	if (mkdtemp(f->dir) == NULL)
		return -1;
	snprintf(f->file, sizeof(f->file), "%s/x.conf", f->dir);
	*state = f;
	return 0;
}

static inline int
teardown(void **state)
{
	struct fixture *f = *state;

	unlink(f->file);
	rmdir(f->dir);
	free(f);
	return 0;
}

static inline void
assert_has(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("'%s' is not in '%s'", part, text);
	assert_null(strchr(text, '\n'));
}

static inline void
write_bytes(const char *path, const char *data, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static inline void
load_ok(struct fixture *f, const char *text, struct settings *s)
{
	struct errmsg e = {""};

	write_bytes(f->file, text, strlen(text));
	if (config_load(f->file, s, &e) != 0)
		fail_msg("%s", e.text);
}

#define UP "[uplink up0]\ndevice = x\n"           /* 2 lines */
#define A "[port a]\nuplink = up0\nsocket = /a\n" /* 3 lines, from line 3 */
#define B "[port b]\nuplink = up0\nsocket = /b\n" /* from line 6 */
#define U2 "[uplink up1]\ndevice = y\n"

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
