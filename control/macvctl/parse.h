/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <jansson.h>

#include "control/command_table.h"

/* From the words of a command line to a request, by the table of commands. Touches only its
 * arguments. */

/*
 * words: what follows the options. 0 with *command and *params (a new reference to an object of
 * strings), or -EINVAL or -ENOENT with *e saying what is wrong and what there is. Whether values
 * are good is the daemon's business, except that a key must be known.
 */
int parse_words(unsigned int n, char *const *words, const struct command **command, json_t **params,
		struct errmsg *e);
