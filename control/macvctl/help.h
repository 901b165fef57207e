/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "control/command_table.h"

/* Texts made from the tables. */

/* "port add NAME uplink UPLINK [KEY VALUE ...]". Returns buf. */
const char *command_syntax(const struct command *c, char *buf, size_t size);

/* One line of usage with the options. */
void help_usage(FILE *out);

/* All commands, a line each. */
void help_all(FILE *out);

/* The commands of one object with their keys. false: there is no such object. */
bool help_object(FILE *out, const char *object);

/* The man page macvctl(8) in troff. */
void help_man(FILE *out);
