/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "control/command_table.h"

/*
 * Results for people. Members that a printer does not know by name are printed with -d, so that
 * what a newer daemon says is never lost. Everything is borrowed.
 */

struct print_options {
	bool stats;  /* -s: counters too */
	bool detail; /* -d: every other member too */
};

/* Prints a command's result in its own form, or generically. */
void print_result(FILE *out, const struct command *c, const json_t *result,
		  const struct print_options *o);

/* One event: time, event, name, and the rest as pairs. */
void print_event(FILE *out, const json_t *event);

void print_ports(FILE *out, const json_t *ports, const struct print_options *o);
void print_uplinks(FILE *out, const json_t *uplinks, const struct print_options *o);

/* --- the parts they are made of (print_parts.c) --- */

/* Text with control characters made visible as '?': some of it comes from outside. */
void print_text(FILE *out, const char *text);

/* The member's text; "" where it is absent or no string. */
const char *text_member(const json_t *object, const char *name);

/* " NAME VALUE" where the member is there and not null. */
void print_pair(FILE *out, const json_t *object, const char *name);

/* "on" and "off" for booleans, texts as they are, lists blank separated, objects as pairs. */
void print_value(FILE *out, const json_t *value);

/* A line per member of object that is not in known (ended by NULL), indented. */
void print_rest(FILE *out, const json_t *object, const char *const *known, int indent);

/* Aligned packets and bytes, other counters, and drops by reason (without -d those above 0). */
void print_counters(FILE *out, const char *title, const json_t *counters, bool all);

struct print_column {
	const char *title;
	const char *member;
};

/* An aligned table of an array of objects. columns are ended by a NULL title. */
void print_table(FILE *out, const json_t *rows, const struct print_column *columns, int indent);
