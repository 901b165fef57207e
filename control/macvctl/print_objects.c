/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * `macvctl port show` and `macvctl uplink show` for people, in the manner of `ip link`. Called by
 * print.c.
 */
#include <string.h>

#include "control/macvctl/print.h"

static const char *
link_flag(const json_t *object)
{
	return strcmp(text_member(object, "link"), "up") == 0 ? "UP" : "DOWN";
}

/* " 01:00:5e:01:02:03(config)" each. */
static void
print_addresses(FILE *out, const json_t *list)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (list, i, entry) {
		fputc(' ', out);
		print_text(out, text_member(entry, "address"));
		fputc('(', out);
		print_text(out, text_member(entry, "source"));
		fputc(')', out);
	}
}

static void
print_filter(FILE *out, const json_t *filter)
{
	static const char *const flags[] = {"promisc", "allmulticast", "broadcast"};
	unsigned int i;

	if (!json_is_object(filter))
		return;
	fputs("    filter", out);
	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (json_is_true(json_object_get(filter, flags[i])))
			fprintf(out, " %s", flags[i]);
	print_addresses(out, json_object_get(filter, "unicast"));
	print_addresses(out, json_object_get(filter, "multicast"));
	fputc('\n', out);
}

/* The sync with the guest: shown where it is at work, or has something to complain about. */
static void
print_sync(FILE *out, const json_t *sync, bool always)
{
	const char *state = text_member(sync, "state");

	if (!json_is_object(sync) || (!always && text_member(sync, "last_error")[0] == '\0' &&
				      (state[0] == '\0' || strcmp(state, "off") == 0)))
		return;
	fputs("    sync ", out);
	print_value(out, sync);
	fputc('\n', out);
}

static void
print_port(FILE *out, size_t number, const json_t *port, const struct print_options *o)
{
	static const char *const shown[] = {
		"name",       "uplink",   "link",        "mode",   "mac",  "queues",
		"socket",     "device",   "socket_role", "filter", "sync", "trust_guest_rx_filters",
		"own_source", "counters", NULL};
	const char *socket = text_member(port, "socket");

	fprintf(out, "%zu: ", number);
	print_text(out, text_member(port, "name"));
	fputc('@', out);
	print_text(out, text_member(port, "uplink"));
	fprintf(out, ": <%s>", link_flag(port));
	print_pair(out, port, "mode");
	print_pair(out, port, "mac");
	print_pair(out, port, "queues");
	fputs("\n    ", out);
	fputs(socket[0] != '\0' ? "socket " : "device ", out);
	print_text(out, socket[0] != '\0' ? socket : text_member(port, "device"));
	if (socket[0] != '\0') {
		fputs(" role ", out);
		print_text(out, text_member(port, "socket_role"));
	}
	fputc('\n', out);
	print_filter(out, json_object_get(port, "filter"));
	if (o->detail || strcmp(text_member(port, "trust_guest_rx_filters"), "off") != 0 ||
	    strcmp(text_member(port, "own_source"), "drop") != 0) {
		fputs("   ", out); /* and the blank of the pair */
		print_pair(out, port, "trust_guest_rx_filters");
		print_pair(out, port, "own_source");
		fputc('\n', out);
	}
	print_sync(out, json_object_get(port, "sync"), o->detail);
	if (o->detail)
		print_rest(out, port, shown, 4);
	if (o->stats)
		print_counters(out, "counters", json_object_get(port, "counters"), o->detail);
}

void
print_ports(FILE *out, const json_t *ports, const struct print_options *o)
{
	const json_t *port;
	size_t i;

	json_array_foreach (ports, i, port)
		print_port(out, i + 1, port, o);
}

static void
print_speed(FILE *out, const json_t *uplink)
{
	json_int_t speed = json_integer_value(json_object_get(uplink, "speed"));

	if (speed > 0 && speed < UINT32_MAX) /* DPDK's "unknown" is all ones */
		fprintf(out, " speed %" JSON_INTEGER_FORMAT " Mbit/s", speed);
	else
		fputs(" speed unknown", out);
}

static void
print_demux(FILE *out, const json_t *demux)
{
	static const struct print_column columns[] = {
		{"ADDRESS", "address"}, {"PORT", "port"}, {"TIER", "tier"}, {"WHY", "why"}, {NULL}};

	if (json_array_size(demux) == 0)
		return;
	fputs("    demux\n", out);
	print_table(out, demux, columns, 6);
}

static void
print_uplink(FILE *out, size_t number, const json_t *uplink, const struct print_options *o)
{
	static const char *const shown[] = {
		"name",        "link",         "driver",        "mac",
		"speed",       "mtu",          "queues",        "device",
		"promiscuous", "allmulticast", "hairpin",       "demux",
		"notes",       "counters",     "removed_ports", NULL};
	const json_t *notes = json_object_get(uplink, "notes"), *note;
	size_t i;

	fprintf(out, "%zu: ", number);
	print_text(out, text_member(uplink, "name"));
	fprintf(out, ": <%s>", link_flag(uplink));
	print_pair(out, uplink, "mac");
	print_pair(out, uplink, "mtu");
	print_speed(out, uplink);
	print_pair(out, uplink, "queues");
	fputs("\n   ", out);
	print_pair(out, uplink, "device");
	print_pair(out, uplink, "driver");
	fputs("\n   ", out);
	print_pair(out, uplink, "promiscuous");
	print_pair(out, uplink, "allmulticast");
	print_pair(out, uplink, "hairpin");
	fputc('\n', out);
	print_demux(out, json_object_get(uplink, "demux"));
	json_array_foreach (notes, i, note) {
		fputs("    note: ", out);
		print_value(out, note);
		fputc('\n', out);
	}
	if (o->detail)
		print_rest(out, uplink, shown, 4);
	if (!o->stats)
		return;
	print_counters(out, "counters", json_object_get(uplink, "counters"), o->detail);
	print_counters(out, "removed ports", json_object_get(uplink, "removed_ports"), o->detail);
}

void
print_uplinks(FILE *out, const json_t *uplinks, const struct print_options *o)
{
	const json_t *uplink;
	size_t i;

	json_array_foreach (uplinks, i, uplink)
		print_uplink(out, i + 1, uplink, o);
}
