/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * vguest's commands: one line on stdin, one line of JSON on stdout. Called by the one loop.
 *   blast NAME COUNT [RATE] HEXFRAME   send COUNT numbered copies (RATE: frames a second)
 *   sink NAME                          count numbered frames from now on, do not pass them up
 *   pause NAME | resume NAME           stop taking frames from the receive rings, go on
 *   stats                              all counters
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_memory.h>

#include "tests/guest/vguest.h"

void
commands_answer(struct vguest *v, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vdprintf(v->json_fd, format, args);
	va_end(args);
}

static void
print_sink(FILE *out, const struct guest *g)
{
	struct stream sum = {0};

	fputs(", \"streams\": {", out);
	for (int i = 0; i < MAX_STREAMS && g->streams[i].seen != NULL; i++) {
		const struct stream *s = &g->streams[i];

		fprintf(out,
			"%s\"" RTE_ETHER_ADDR_PRT_FMT "\": {\"received\": %" PRIu64
			", \"gaps\": %" PRIu64 ", \"reorders\": %" PRIu64
			", \"duplicates\": %" PRIu64 "}",
			i > 0 ? ", " : "", RTE_ETHER_ADDR_BYTES(&s->src), s->received, s->gaps,
			s->reorders, s->duplicates);
		sum.received += s->received;
		sum.gaps += s->gaps;
		sum.reorders += s->reorders;
		sum.duplicates += s->duplicates;
	}
	fprintf(out,
		"}, \"received\": %" PRIu64 ", \"gaps\": %" PRIu64 ", \"reorders\": %" PRIu64
		", \"duplicates\": %" PRIu64,
		sum.received, sum.gaps, sum.reorders, sum.duplicates);
}

static void
stats(struct vguest *v)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return;
	fputs("{\"ports\": {", out);
	for (unsigned int i = 0; i < v->count; i++) {
		const struct guest *g = &v->guests[i];

		fprintf(out,
			"%s\"%s\": {\"link\": \"%s\", \"rx\": %" PRIu64 ", \"tx\": %" PRIu64
			", \"tx_timeouts\": %" PRIu64 ", \"no_peer\": %" PRIu64
			", \"tap_errors\": %" PRIu64 ", \"bad_datagrams\": %" PRIu64
			", \"blast_sent\": %" PRIu64 ", \"blast_left\": %" PRIu64,
			i > 0 ? ", " : "", g->name, g->link ? "up" : "down", g->rx, g->tx,
			g->tx_timeouts, g->no_peer, g->tap_errors, g->bad_datagrams, g->blast.sent,
			g->blast.count - g->blast.sent);
		print_sink(out, g);
		fputc('}', out);
	}
	fputs("}}\n", out);
	fclose(out);
	if (text != NULL)
		commands_answer(v, "%s", text);
	free(text);
}

static struct guest *
find_guest(struct vguest *v, const char *name)
{
	for (unsigned int i = 0; name != NULL && i < v->count; i++)
		if (strcmp(v->guests[i].name, name) == 0)
			return &v->guests[i];
	return NULL;
}

/* NULL, or what is wrong. */
static const char *
guest_command(struct vguest *v, const char *command, char **rest)
{
	struct guest *g = find_guest(v, strtok_r(NULL, " ", rest));

	if (g == NULL)
		return "no such guest";
	if (strcmp(command, "sink") == 0) {
		sink_start(g);
	} else if (strcmp(command, "pause") == 0) {
		g->paused = true;
	} else if (strcmp(command, "resume") == 0) {
		g->paused = false;
	} else if (strcmp(command, "blast") == 0) {
		const char *count = strtok_r(NULL, " ", rest);
		const char *rate = strtok_r(NULL, " ", rest);
		const char *hex = strtok_r(NULL, " ", rest);

		if (hex == NULL) {
			hex = rate;
			rate = "0";
		}
		if (hex == NULL ||
		    blast_start(v, g, strtoull(count, NULL, 0), strtoull(rate, NULL, 0), hex) != 0)
			return "blast NAME COUNT [RATE] HEXFRAME, 22 bytes to one buffer";
	} else {
		return "the commands are blast, sink, pause, resume, stats";
	}
	return NULL;
}

static void
run(struct vguest *v, char *line)
{
	char *rest = NULL;
	const char *command = strtok_r(line, " ", &rest);
	const char *wrong;

	if (command != NULL && strcmp(command, "stats") == 0) {
		stats(v);
		return;
	}
	wrong = command != NULL ? guest_command(v, command, &rest) : "empty command";
	if (wrong != NULL)
		commands_answer(v, "{\"error\": \"%s\"}\n", wrong);
	else
		commands_answer(v, "{\"ok\": true}\n");
}

void
commands_read(struct vguest *v)
{
	ssize_t n =
		read(STDIN_FILENO, v->line + v->line_length, sizeof(v->line) - 1 - v->line_length);
	char *newline;

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		v->stop = true;
	if (n <= 0)
		return;
	v->line_length += n;
	v->line[v->line_length] = '\0';
	while ((newline = strchr(v->line, '\n')) != NULL) {
		size_t used = newline + 1 - v->line;

		*newline = '\0';
		run(v, v->line);
		v->line_length -= used;
		memmove(v->line, v->line + used, v->line_length + 1);
	}
	if (v->line_length == sizeof(v->line) - 1)
		v->line_length = 0; /* no command is that long */
}
