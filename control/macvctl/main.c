/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * macvctl: options, then one request to the daemon, then its answer. The grammar is parse.c's, the
 * socket client.c's, the looks print.c's. A single thread.
 */
#include <bsd/string.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "config/defaults.h"
#include "control/macvctl/client.h"
#include "control/macvctl/complete.h"
#include "control/macvctl/help.h"
#include "control/macvctl/parse.h"
#include "control/macvctl/print.h"

#define COMPLETE_TIMEOUT_MS 2000

enum exit_status { STATUS_DONE, STATUS_USAGE, STATUS_REFUSED, STATUS_NO_DAEMON };

struct options {
	struct print_options print;
	const char *control;
	size_t json_flags;
	bool json;
};

static int
complain(int status, const char *text)
{
	fprintf(stderr, "macvctl: %s\n", text);
	return status;
}

/* What a full disk or a closed pipe did to the output must not pass for success. */
static int
finish(int status)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		return complain(STATUS_USAGE, "cannot write the output");
	return status;
}

static void
print_json(const json_t *value, const struct options *o)
{
	json_dumpf(value, stdout, o->json_flags | JSON_ENCODE_ANY);
	putchar('\n');
}

/* Prints events until the daemon ends or the user interrupts. */
static int
monitor(struct client *client, const struct options *o)
{
	struct errmsg e;
	json_t *event;
	char *line;
	int ret;

	while ((ret = client_read_line(client, -1, &line, &e)) == 0) {
		event = json_loads(line, 0, NULL);
		if (event != NULL && o->json && (o->json_flags & JSON_COMPACT) == 0)
			print_json(event, o);
		else if (event != NULL && !o->json)
			print_event(stdout, event);
		else
			puts(line);
		json_decref(event);
		if (fflush(stdout) != 0)
			return STATUS_DONE;
	}
	return ret == -ENODATA ? STATUS_DONE : complain(STATUS_NO_DAEMON, e.text);
}

static int
run(const struct command *c, json_t *params, const struct options *o)
{
	int status = STATUS_NO_DAEMON, ret;
	json_t *result = NULL;
	struct client client;
	struct errmsg e;
	char method[64];

	ret = client_open(&client, o->control, &e);
	if (ret != 0)
		return complain(STATUS_NO_DAEMON, e.text);
	command_method(c, method, sizeof(method));
	ret = client_call(&client, method, params, CLIENT_TIMEOUT_MS, &result, &e);
	if (ret != 0) {
		complain(status, e.text);
		status = ret == -EREMOTE ? STATUS_REFUSED : STATUS_NO_DAEMON;
		goto out;
	}
	status = STATUS_DONE;
	if (strcmp(method, "monitor") == 0)
		status = monitor(&client, o);
	else if (o->json)
		print_json(result, o);
	else
		print_result(stdout, c, result, &o->print);
out:
	json_decref(result);
	client_close(&client);
	return status;
}

/* For the completion: whatever goes wrong, there are no names. */
static void
daemon_names(void *ctx, FILE *out, const char *object, const char *prefix)
{
	const char *name, *control = ctx;
	json_t *params = json_object(), *result = NULL, *item;
	struct client client;
	char method[64];
	size_t i;

	snprintf(method, sizeof(method), "%s.show", object);
	if (client_open(&client, control, NULL) == 0) {
		client_call(&client, method, params, COMPLETE_TIMEOUT_MS, &result, NULL);
		client_close(&client);
	}
	json_array_foreach (result, i, item) {
		name = json_string_value(json_object_get(item, "name"));
		if (name != NULL && strncmp(name, prefix, strlen(prefix)) == 0)
			fprintf(out, "%s\n", name);
	}
	json_decref(result);
	json_decref(params);
}

static const char *
default_control(void)
{
	const char *path = getenv("MACVSWITCH_CONTROL");

	return path != NULL && path[0] != '\0' ? path : DEFAULT_CONTROL;
}

static int
help(const char *object)
{
	const struct command *c;
	struct errmsg e;

	if (object == NULL) {
		help_all(stdout);
		return finish(STATUS_DONE);
	}
	if (command_find(object, NULL, &c, &e) != 0)
		return complain(STATUS_USAGE, e.text);
	help_object(stdout, c->object);
	return finish(STATUS_DONE);
}

/* -1: go on with the words at optind; else the exit status. */
static int
parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {{"control", required_argument, NULL, 'c'},
					      {"help", no_argument, NULL, 'h'},
					      {"version", no_argument, NULL, 'V'},
					      {"man", no_argument, NULL, 'm'},
					      {NULL}};
	int option;

	/* '+': the first word ends the options, so that values may start with a dash. */
	while ((option = getopt_long(argc, argv, "+jpsdVh", longs, NULL)) != -1) {
		switch (option) {
		case 'p':
			o->json_flags = JSON_INDENT(2);
			o->json = true;
			break;
		case 'j':
			o->json = true;
			break;
		case 's':
			o->print.stats = true;
			break;
		case 'd':
			o->print.detail = true;
			break;
		case 'c':
			o->control = optarg;
			break;
		case 'V':
			puts("macvctl " MACVSWITCH_VERSION);
			return finish(STATUS_DONE);
		case 'h':
			return help(NULL);
		case 'm':
			help_man(stdout);
			return finish(STATUS_DONE);
		default:
			help_usage(stderr);
			return STATUS_USAGE;
		}
	}
	return -1;
}

int
main(int argc, char **argv)
{
	struct options o = {.control = default_control(), .json_flags = JSON_COMPACT};
	const struct command *c;
	struct errmsg e;
	json_t *params;
	int status;

	if (argc > 1 && strcmp(argv[1], "--complete") == 0) {
		complete_words(stdout, (unsigned int)argc - 2, argv + 2, daemon_names,
			       (void *)o.control);
		return STATUS_DONE;
	}
	status = parse_options(argc, argv, &o);
	if (status >= 0)
		return status;
	argc -= optind;
	argv += optind;
	if (argc == 0) {
		help_usage(stderr);
		return STATUS_USAGE;
	}
	if (strcmp(argv[0], "help") == 0)
		return help(argv[1]);
	if (argc == 2 && strcmp(argv[1], "help") == 0)
		return help(argv[0]);
	if (parse_words((unsigned int)argc, argv, &c, &params, &e) != 0)
		return complain(STATUS_USAGE, e.text);
	status = run(c, params, &o);
	json_decref(params);
	return finish(status);
}
