/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * Picks the printer of a command's result: tables, a trace, the configuration's text, or the
 * generic form. Called by main.c.
 */
#include <string.h>
#include <time.h>

#include "control/macvctl/print.h"

static const char *const none_shown[] = {NULL};

static void
print_fdb(FILE *out, const json_t *rows, const struct print_options *o)
{
	static const struct print_column columns[] = {{"ADDRESS", "address"},
						      {"PORT", "port"},
						      {"UPLINK", "uplink"},
						      {"SOURCE", "source"},
						      {NULL}};

	(void)o;
	print_table(out, rows, columns, 0);
}

static void
print_maddr(FILE *out, const json_t *rows, const struct print_options *o)
{
	static const struct print_column columns[] = {
		{"ADDRESS", "address"}, {"PORT", "port"}, {"SOURCE", "source"}, {NULL}};

	(void)o;
	print_table(out, rows, columns, 0);
}

static void
print_workers(FILE *out, const json_t *rows, const struct print_options *o)
{
	static const struct print_column columns[] = {{"WORKER", "worker"},
						      {"CPU", "cpu"},
						      {"BUSY %", "busy_percent"},
						      {"PACKETS/S", "packets_per_second"},
						      {"CYCLES/PACKET", "cycles_per_packet"},
						      {"PACKETS", "packets"},
						      {"POLLS", "polls"},
						      {NULL}};
	static const struct print_column of_queue[] = {{"QUEUE OF", "kind"},
						       {"NAME", "name"},
						       {"QUEUE", "queue"},
						       {"BUSY %", "busy_percent"},
						       {"PACKETS/S", "packets_per_second"},
						       {"CYCLES/PACKET", "cycles_per_packet"},
						       {"PINNED", "pinned"},
						       {NULL}};
	static const char *const shown[] = {"worker",
					    "cpu",
					    "busy_percent",
					    "packets_per_second",
					    "cycles_per_packet",
					    "packets",
					    "polls",
					    "queues",
					    NULL};
	const json_t *row;
	size_t i;

	print_table(out, rows, columns, 0);
	json_array_foreach (rows, i, row) {
		if (!o->detail && !o->stats)
			break;
		fputs("worker ", out);
		print_value(out, json_object_get(row, "worker"));
		fputc('\n', out);
		if (o->detail)
			print_rest(out, row, shown, 4);
		print_table(out, json_object_get(row, "queues"), of_queue, 4);
	}
}

static void
print_memory(FILE *out, const json_t *memory, const struct print_options *o)
{
	static const struct print_column columns[] = {{"POOL", "name"},
						      {"FRAMES", "frames"},
						      {"NODE", "node"},
						      {"BUFFERS", "buffers"},
						      {"IN USE", "in_use"},
						      {"BYTES", "bytes"},
						      {NULL}};
	static const char *const shown[] = {"hugepages", "own_bytes", "guests_bytes", "pools",
					    NULL};

	print_table(out, json_object_get(memory, "pools"), columns, 0);
	fputs("resident:", out);
	print_pair(out, memory, "own_bytes");
	print_pair(out, memory, "guests_bytes");
	print_pair(out, memory, "hugepages");
	fputc('\n', out);
	if (o->detail)
		print_rest(out, memory, shown, 4);
}

/* "deliver to vm2 and the wire", then the rule. */
static void
print_trace(FILE *out, const json_t *trace, const struct print_options *o)
{
	static const char *const shown[] = {"verdict", "receivers", "wire", "rule", "reason", NULL};
	const json_t *receivers = json_object_get(trace, "receivers");
	bool wire = json_is_true(json_object_get(trace, "wire"));
	const char *reason = text_member(trace, "reason");

	print_text(out, text_member(trace, "verdict"));
	if (json_array_size(receivers) > 0) {
		fputs(" to ", out);
		print_value(out, receivers);
	}
	if (wire && strcmp(text_member(trace, "verdict"), "wire") != 0)
		fputs(json_array_size(receivers) > 0 ? " and the wire" : " to the wire", out);
	if (reason[0] != '\0') {
		fputs(": ", out);
		print_text(out, reason);
	}
	fputs("\nrule: ", out);
	print_text(out, text_member(trace, "rule"));
	fputc('\n', out);
	if (o->detail)
		print_rest(out, trace, shown, 0);
}

/* As it is: it may be redirected into a file. */
static void
print_config(FILE *out, const json_t *config, const struct print_options *o)
{
	static const char *const shown[] = {"text", NULL};

	fputs(text_member(config, "text"), out);
	if (o->detail)
		print_rest(out, config, shown, 0);
}

/* Flat results on one line, others a line a member; nothing for {}. */
static void
print_generic(FILE *out, const json_t *result)
{
	const json_t *value;
	const char *name, *sep = "";
	bool flat = true;

	if (!json_is_object(result)) {
		print_value(out, result);
		fputc('\n', out);
		return;
	}
	json_object_foreach ((json_t *)result, name, value)
		flat = flat && !json_is_array(value) && !json_is_object(value);
	if (!flat) {
		print_rest(out, result, none_shown, 0);
		return;
	}
	json_object_foreach ((json_t *)result, name, value) {
		fprintf(out, "%s%s ", sep, name);
		print_value(out, value);
		sep = " ";
	}
	fputs(sep[0] != '\0' ? "\n" : "", out);
}

static void
print_nothing(FILE *out, const json_t *result, const struct print_options *o)
{
	(void)out;
	(void)result;
	(void)o;
}

static void
print_added_port(FILE *out, const json_t *result, const struct print_options *o)
{
	(void)o;
	fprintf(out, "%s@%s: mac %s\n", json_string_value(json_object_get(result, "name")),
		json_string_value(json_object_get(result, "uplink")),
		json_string_value(json_object_get(result, "mac")));
}

void
print_result(FILE *out, const struct command *c, const json_t *result,
	     const struct print_options *o)
{
	static const struct {
		const char *method;
		void (*print)(FILE *out, const json_t *result, const struct print_options *o);
	} printers[] = {
		{"uplink.show", print_uplinks},
		{"port.show", print_ports},
		{"maddr.show", print_maddr},
		{"fdb.show", print_fdb},
		{"worker.show", print_workers},
		{"memory.show", print_memory},
		{"trace", print_trace},
		{"config.show", print_config},
		/* As ip, silent when all is well; but an address that was made up must be told. */
		{"uplink.add", print_nothing},
		{"uplink.set", print_nothing},
		{"port.add", print_added_port},
		{"port.set", print_nothing},
		{"worker.set", print_nothing},
	};
	char method[64];
	size_t i;

	command_method(c, method, sizeof(method));
	for (i = 0; i < sizeof(printers) / sizeof(printers[0]); i++) {
		if (strcmp(printers[i].method, method) == 0) {
			printers[i].print(out, result, o);
			return;
		}
	}
	print_generic(out, result);
}

/* Seconds since 1970 as local time; a text as it is; now where the event does not say. */
static void
print_time(FILE *out, const json_t *value)
{
	time_t when = json_is_number(value) ? (time_t)json_number_value(value) : time(NULL);
	char text[32];
	struct tm tm;

	if (json_is_string(value))
		print_text(out, json_string_value(value));
	else if (localtime_r(&when, &tm) != NULL &&
		 strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) > 0)
		fputs(text, out);
}

void
print_event(FILE *out, const json_t *event)
{
	const json_t *value;
	const char *name;

	print_time(out, json_object_get(event, "time"));
	fputc(' ', out);
	print_text(out, text_member(event, "event"));
	if (text_member(event, "name")[0] != '\0') {
		fputc(' ', out);
		print_text(out, text_member(event, "name"));
	}
	json_object_foreach ((json_t *)event, name, value) {
		if (strcmp(name, "time") != 0 && strcmp(name, "event") != 0 &&
		    strcmp(name, "name") != 0)
			print_pair(out, event, name);
	}
	fputc('\n', out);
}
