/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <stdbool.h>

#include "config/keys.h"

/*
 * The one table of commands. It feeds the JSON-RPC server (method names, which parameters are
 * known and required), macvctl (grammar, abbreviations, help), the shell completion and the man
 * page. The daemon joins each row with its handler in control/commands.c; a unit test holds the
 * two against each other. Constant data, no DPDK: macvctl links it too.
 */

enum arg_kind {
	ARG_VALUE,   /* positional: `add NAME`, parameter `name` */
	ARG_KEYWORD, /* word and value: `port NAME`, parameter `port` */
	ARG_KEYS,    /* any KEY VALUE pairs of a section's table (config/keys.h) */
};

struct command_arg {
	const char
		*name; /* the JSON-RPC parameter; for ARG_KEYWORD the word too; NULL for ARG_KEYS */
	enum arg_kind kind;
	bool required;
	enum section keys; /* ARG_KEYS: whose keys */
	const char *meta;  /* as the help shows the value: "NAME", "MAC", "FILE" */
	bool number;       /* JSON may give it as an integer too (rpc_param_number) */
};

#define COMMAND_ARGS_MAX 8

struct command {
	const char *object; /* "port" */
	const char
		*command; /* "add"; "" where the object is itself the command (version, monitor) */
	struct command_arg
		args[COMMAND_ARGS_MAX]; /* ended by an entry with neither name nor keys */
	const char *help;               /* one line */
	const char *detail;       /* more for `macvctl OBJECT help` and the man page, or NULL */
	bool set_only_changeable; /* ARG_KEYS takes only KEY_ANY_TIME keys (`set`) */
};

/* All commands in the order of the documentation, ended by an entry without an object. */
const struct command *command_table(void);

/* The end mark of command.args. */
static inline bool
command_arg_end(const struct command_arg *arg)
{
	return arg->name == NULL && arg->kind != ARG_KEYS;
}

/*
 * Finds by full names or unambiguous prefixes. *found is the row. 0; -ENOENT: no such object or
 * command, the text lists those that exist; -EINVAL: ambiguous, the text lists the candidates.
 * Objects that are themselves commands do not look at command: the word is their first argument.
 * The others take a NULL command as show.
 */
int command_find(const char *object, const char *command, const struct command **found,
		 struct errmsg *e);

/* The row of a JSON-RPC method, spelled out in full; NULL: none. */
const struct command *command_of_method(const char *method);

/* The argument called name (ARG_VALUE or ARG_KEYWORD), or NULL. */
const struct command_arg *command_arg_find(const struct command *c, const char *name);

/* The key called name among those of the command's ARG_KEYS, or NULL. Fixed keys are found too. */
const struct key *command_key_find(const struct command *c, const char *name);

/*
 * The words that may stand before a value, as an error text lists them: "mode, mac, queues". Only
 * changeable keys for `set`. Returns buf, cut where it does not fit.
 */
const char *command_words(const struct command *c, char *buf, size_t size);

/* All method names, as an error text lists them. Returns buf. */
const char *command_methods(char *buf, size_t size);

/* The JSON-RPC method name "port.add" (or "version"). Returns buf. */
const char *command_method(const struct command *c, char *buf, size_t size);
