/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <stdarg.h>
#include <stdio.h>

/*
 * The one error convention of the tree: a function that can fail returns 0 or a negative errno,
 * and, where a person may read the reason, fills a struct errmsg. The text names the culprit and
 * what would be accepted, is one line, and has no trailing full stop or newline.
 */
struct errmsg {
	char text[512];
};

/*
 * Fills *e (which may be NULL) and returns err, so that callers write
 * `return err_set(e, -EINVAL, "port %s: ...", name);`. An over-long text is cut.
 */
__attribute__((format(printf, 3, 4))) static inline int
err_set(struct errmsg *e, int err, const char *fmt, ...)
{
	va_list ap;

	if (e == NULL)
		return err;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return err;
}
