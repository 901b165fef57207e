/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * The table of commands and the ways to find a row: by words (macvctl, with abbreviations), by
 * JSON-RPC method (the daemon, in full), and what an error text says when there is none.
 * Constant data; any thread.
 */
#include <bsd/string.h>
#include <errno.h>
#include <string.h>

#include "control/command_table.h"

/* clang-format off */
#define NAME_REQUIRED {.name = "name", .kind = ARG_VALUE, .required = true, .meta = "NAME"}
#define NAME_OPTIONAL {.name = "name", .kind = ARG_VALUE, .meta = "NAME"}
#define WORD(word, text) {.name = word, .kind = ARG_KEYWORD, .required = true, .meta = text}
#define WORD_OPTIONAL(word, text) {.name = word, .kind = ARG_KEYWORD, .meta = text}
#define NUMBER_OPTIONAL(word, text) {.name = word, .kind = ARG_KEYWORD, .meta = text, .number = true}
#define KEYS(section) {.kind = ARG_KEYS, .keys = section}
#define KEYS_REQUIRED(section) {.kind = ARG_KEYS, .required = true, .keys = section}

static const struct command commands[] = {
	{"uplink", "add", {NAME_REQUIRED, WORD("device", "DEVARGS"), KEYS(SECTION_UPLINK)},
	 "take over a network device as an uplink",
	 "DEVARGS is a PCI address (0000:3b:00.0) or a DPDK vdev with its arguments "
	 "(net_af_packet0,iface=eth1)"},
	{"uplink", "set", {NAME_REQUIRED, KEYS_REQUIRED(SECTION_UPLINK)},
	 "change keys of an uplink while frames flow", .set_only_changeable = true},
	{"uplink", "del", {NAME_REQUIRED}, "give an uplink back; it must have no ports"},
	{"uplink", "show", {NAME_OPTIONAL}, "show uplinks, their state and how addresses reach them"},

	{"port", "add", {NAME_REQUIRED, WORD("uplink", "UPLINK"), KEYS(SECTION_PORT)},
	 "add a guest's port to an uplink",
	 "One of the keys socket (a vhost-user guest) and device (the host's own stack) is needed. "
	 "Without the key mac, an address is made up and shown"},
	{"port", "set", {NAME_REQUIRED, KEYS_REQUIRED(SECTION_PORT)},
	 "change keys of a port while frames flow", .set_only_changeable = true},
	{"port", "del", {NAME_REQUIRED}, "remove a port and disconnect its guest"},
	{"port", "show", {NAME_OPTIONAL}, "show ports, their receive filters and their guests"},

	{"maddr", "add",
	 {{.name = "address", .kind = ARG_VALUE, .required = true, .meta = "ADDRESS"}, WORD("port", "NAME")},
	 "let a port receive one more address, unicast or multicast"},
	{"maddr", "del",
	 {{.name = "address", .kind = ARG_VALUE, .required = true, .meta = "ADDRESS"}, WORD("port", "NAME")},
	 "undo maddr add"},
	{"maddr", "show", {WORD_OPTIONAL("port", "NAME")}, "show the receive-filter entries of the ports"},

	{"fdb", "show", {}, "show which port owns each unicast address"},

	{"worker", "set", {KEYS_REQUIRED(SECTION_DAEMON)},
	 "change the polling cores while frames flow",
	 "Which worker polls which queue is said by queue_workers, a key of uplinks and ports",
	 .set_only_changeable = true},
	{"worker", "show", {}, "show the polling cores and what each of them polls"},

	{"memory", "show", {}, "show what memory the daemon uses, and its pools of buffers"},

	{"trace", "",
	 {WORD("from", "NAME"), WORD("src", "MAC"), WORD("dst", "MAC"), NUMBER_OPTIONAL("vlan", "VID"),
	  NUMBER_OPTIONAL("type", "ETHERTYPE")},
	 "say what would happen to a frame, and by which rule",
	 "NAME is the port that sends the frame, or an uplink for a frame from its wire"},

	{"config", "show", {}, "show the running configuration as a file"},
	{"config", "save", {{.name = "file", .kind = ARG_VALUE, .meta = "FILE"}},
	 "write the running configuration to a file",
	 "Without FILE, to the file that the daemon was started with"},
	{"config", "reload", {}, "read the configuration file again and apply what changed"},

	{"monitor", "", {}, "print events as they happen, until interrupted"},
	{"version", "", {}, "show the versions of the daemon and of DPDK"},
	{"shutdown", "", {}, "stop the daemon"},
	{NULL},
};
/* clang-format on */

const struct command *
command_table(void)
{
	return commands;
}

/* Appends item to the list in buf, after sep where it is not the first. */
static void
list_add(char *buf, size_t size, const char *sep, const char *item)
{
	if (buf[0] != '\0')
		strlcat(buf, sep, size);
	strlcat(buf, item, size);
}

/*
 * Narrows word down to one object (of == NULL) or one command of an object. The table keeps the
 * rows of an object together, which is why comparing with the last candidate is enough to count
 * each object once. Returns the first row of the match.
 */
static int
prefix_find(const char *of, const char *word, const struct command **found, struct errmsg *e)
{
	const struct command *c, *match = NULL;
	char all[256] = "", candidates[256] = "";
	const char *last = "";
	unsigned int matches = 0;

	for (c = commands; c->object != NULL; c++) {
		const char *name = of == NULL ? c->object : c->command;

		if ((of != NULL && strcmp(of, c->object) != 0) || strcmp(name, last) == 0)
			continue;
		last = name;
		list_add(all, sizeof(all), ", ", name);
		if (strcmp(name, word) == 0) {
			*found = c;
			return 0;
		}
		if (strncmp(name, word, strlen(word)) != 0)
			continue;
		list_add(candidates, sizeof(candidates), " or ", name);
		match = c;
		matches++;
	}
	if (matches == 1) {
		*found = match;
		return 0;
	}
	if (matches > 1 && word[0] != '\0')
		return err_set(e, -EINVAL, "\"%.40s\" is ambiguous: %s", word, candidates);
	if (of == NULL)
		return err_set(e, -ENOENT, "unknown object \"%.40s\"; there are: %s", word, all);
	return err_set(e, -ENOENT, "%s has no command \"%.40s\"; there are: %s", of, word, all);
}

int
command_find(const char *object, const char *command, const struct command **found,
	     struct errmsg *e)
{
	const struct command *first;
	int ret;

	ret = prefix_find(NULL, object, &first, e);
	if (ret != 0)
		return ret;
	if (first->command[0] == '\0') {
		*found = first;
		return 0;
	}
	return prefix_find(first->object, command == NULL ? "show" : command, found, e);
}

const struct command *
command_of_method(const char *method)
{
	const struct command *c;
	char name[64];

	for (c = commands; c->object != NULL; c++)
		if (strcmp(command_method(c, name, sizeof(name)), method) == 0)
			return c;
	return NULL;
}

const struct command_arg *
command_arg_find(const struct command *c, const char *name)
{
	const struct command_arg *arg;

	for (arg = c->args; !command_arg_end(arg); arg++)
		if (arg->kind != ARG_KEYS && strcmp(arg->name, name) == 0)
			return arg;
	return NULL;
}

const struct key *
command_key_find(const struct command *c, const char *name)
{
	const struct command_arg *arg;

	for (arg = c->args; !command_arg_end(arg); arg++)
		if (arg->kind == ARG_KEYS)
			return key_find(arg->keys, name);
	return NULL;
}

const char *
command_words(const struct command *c, char *buf, size_t size)
{
	const struct command_arg *arg;
	const struct key *key;

	buf[0] = '\0';
	for (arg = c->args; !command_arg_end(arg); arg++) {
		if (arg->kind == ARG_KEYWORD)
			list_add(buf, size, ", ", arg->name);
		if (arg->kind != ARG_KEYS)
			continue;
		for (key = section_keys(arg->keys); key->name != NULL; key++) {
			if (command_arg_find(c, key->name) != NULL)
				continue; /* a required key has a row of its own */
			if (!c->set_only_changeable || key->when == KEY_ANY_TIME)
				list_add(buf, size, ", ", key->name);
		}
	}
	return buf;
}

const char *
command_methods(char *buf, size_t size)
{
	const struct command *c;
	char name[64];

	buf[0] = '\0';
	for (c = commands; c->object != NULL; c++)
		list_add(buf, size, ", ", command_method(c, name, sizeof(name)));
	return buf;
}

const char *
command_method(const struct command *c, char *buf, size_t size)
{
	strlcpy(buf, c->object, size);
	if (c->command[0] != '\0') {
		strlcat(buf, ".", size);
		strlcat(buf, c->command, size);
	}
	return buf;
}
