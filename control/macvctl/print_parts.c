/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * What all human output of macvctl is made of: values, pairs, tables, counters. Called by the
 * print_*.c files.
 */
#include <bsd/string.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "control/macvctl/print.h"

#define MAX_COLUMNS 8

void
print_text(FILE *out, const char *text)
{
	for (; *text != '\0'; text++)
		fputc(iscntrl((unsigned char)*text) ? '?' : *text, out);
}

const char *
text_member(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text == NULL ? "" : text;
}

void
print_value(FILE *out, const json_t *value)
{
	const json_t *item;
	const char *name, *sep = "";
	size_t i;

	switch (json_typeof(value)) {
	case JSON_STRING:
		print_text(out, json_string_value(value));
		break;
	case JSON_INTEGER:
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		fprintf(out, "%.1f", json_real_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		fputs(json_is_true(value) ? "on" : "off", out);
		break;
	case JSON_NULL:
		fputc('-', out);
		break;
	case JSON_ARRAY:
		json_array_foreach (value, i, item) {
			fputs(sep, out);
			print_value(out, item);
			sep = json_is_object(item) ? ", " : " ";
		}
		break;
	case JSON_OBJECT:
		json_object_foreach ((json_t *)value, name, item) {
			fprintf(out, "%s%s ", sep, name);
			print_value(out, item);
			sep = " ";
		}
		break;
	}
}

void
print_pair(FILE *out, const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	if (value == NULL || json_is_null(value))
		return;
	fprintf(out, " %s ", name);
	print_value(out, value);
}

void
print_rest(FILE *out, const json_t *object, const char *const *known, int indent)
{
	const json_t *value, *item;
	const char *name;
	unsigned int k;
	size_t i;

	json_object_foreach ((json_t *)object, name, value) {
		for (k = 0; known[k] != NULL && strcmp(known[k], name) != 0; k++)
			;
		if (known[k] != NULL || (json_is_array(value) && json_array_size(value) == 0))
			continue;
		if (json_is_array(value) && json_is_object(json_array_get(value, 0))) {
			json_array_foreach (value, i, item) {
				fprintf(out, "%*s%s ", indent, "", name);
				print_value(out, item);
				fputc('\n', out);
			}
			continue;
		}
		fprintf(out, "%*s%s ", indent, "", name);
		print_value(out, value);
		fputc('\n', out);
	}
}

/* The drops by reason, below their sum. */
static void
print_drops(FILE *out, const json_t *drops, bool all)
{
	const json_t *value;
	const char *reason;
	json_int_t sum = 0;

	json_object_foreach ((json_t *)drops, reason, value)
		sum += json_integer_value(value);
	fprintf(out, "    %-22s %16" JSON_INTEGER_FORMAT "\n", "dropped", sum);
	json_object_foreach ((json_t *)drops, reason, value) {
		if (all || json_integer_value(value) != 0)
			fprintf(out, "      %-20s %16" JSON_INTEGER_FORMAT "\n", reason,
				json_integer_value(value));
	}
}

void
print_counters(FILE *out, const char *title, const json_t *counters, bool all)
{
	const json_t *value;
	const char *name;

	if (!json_is_object(counters))
		return;
	fprintf(out, "    %-22s %16s %16s\n", title, "packets", "bytes");
	json_object_foreach ((json_t *)counters, name, value) {
		char stem[64], bytes[80];
		char *end;

		if (!json_is_integer(value) || strlcpy(stem, name, sizeof(stem)) >= sizeof(stem))
			continue;
		end = strstr(stem, "_packets");
		if (end != NULL && end[8] == '\0') {
			*end = '\0';
			snprintf(bytes, sizeof(bytes), "%s_bytes", stem);
			fprintf(out,
				"    %-22s %16" JSON_INTEGER_FORMAT " %16" JSON_INTEGER_FORMAT "\n",
				stem, json_integer_value(value),
				json_integer_value(json_object_get(counters, bytes)));
			continue;
		}
		end = strstr(stem, "_bytes");
		if (end == NULL || end[6] != '\0') /* bytes are beside their packets */
			fprintf(out, "    %-22s %16" JSON_INTEGER_FORMAT "\n", name,
				json_integer_value(value));
	}
	if (json_is_object(json_object_get(counters, "drops")))
		print_drops(out, json_object_get(counters, "drops"), all);
}

/* A table's cell as text, to be freed; NULL without memory. */
static char *
cell_text(const json_t *row, const char *member)
{
	const json_t *value = json_object_get(row, member);
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		return NULL;
	if (value == NULL)
		fputc('-', f);
	else
		print_value(f, value);
	fclose(f);
	return text;
}

void
print_table(FILE *out, const json_t *rows, const struct print_column *columns, int indent)
{
	unsigned int n_columns, i;
	size_t widths[MAX_COLUMNS];
	const json_t *row;
	size_t r;

	for (i = 0; i < MAX_COLUMNS && columns[i].title != NULL; i++) {
		widths[i] = strlen(columns[i].title);
		json_array_foreach (rows, r, row) {
			char *cell = cell_text(row, columns[i].member);

			if (cell != NULL && strlen(cell) > widths[i])
				widths[i] = strlen(cell);
			free(cell);
		}
	}
	n_columns = i;
	fprintf(out, "%*s", indent, "");
	for (i = 0; i < n_columns; i++)
		fprintf(out, "%-*s%s", i + 1 < n_columns ? (int)widths[i] : 0, columns[i].title,
			i + 1 < n_columns ? "  " : "\n");
	json_array_foreach (rows, r, row) {
		fprintf(out, "%*s", indent, "");
		for (i = 0; i < n_columns; i++) {
			char *cell = cell_text(row, columns[i].member);

			fprintf(out, "%-*s%s", i + 1 < n_columns ? (int)widths[i] : 0,
				cell == NULL ? "" : cell, i + 1 < n_columns ? "  " : "\n");
			free(cell);
		}
	}
}
