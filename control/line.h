/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <event2/buffer.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * The length of the line that input starts with, without its end, or -1 where that has not come
 * yet. *searched (0 at first, and again after the line was taken) keeps how far it was looked at: a
 * line that comes byte by byte would otherwise cost its length squared. For the two peers of ours
 * that speak JSON line by line: the control socket's clients and QEMU.
 */
static inline ssize_t
line_find(struct evbuffer *input, size_t *searched)
{
	struct evbuffer_ptr from, end;

	if (evbuffer_ptr_set(input, &from, *searched, EVBUFFER_PTR_SET) != 0)
		return -1;
	end = evbuffer_search_eol(input, &from, NULL, EVBUFFER_EOL_LF);
	if (end.pos < 0)
		*searched = evbuffer_get_length(input);
	return end.pos;
}
