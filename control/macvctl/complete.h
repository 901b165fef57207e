/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <stdio.h>

/* Prints every name of an object ("port", "uplink"), a line each. */
typedef void (*complete_names_fn)(void *ctx, FILE *out, const char *object, const char *prefix);

/*
 * Prints what may stand in place of the last word, a line each; nothing where only the user knows.
 * words: all that was typed after "macvctl", the last one possibly empty. names may be NULL.
 */
void complete_words(FILE *out, unsigned int n, char *const *words, complete_names_fn names,
		    void *ctx);
