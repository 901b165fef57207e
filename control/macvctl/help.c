/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * `macvctl help`, `macvctl OBJECT help` and the usage line, made from the tables of commands and
 * keys so that they cannot lag behind. Called by main.c, parse.c (usage in its errors) and the
 * build (man page, man.c).
 */
#include <bsd/string.h>
#include <string.h>

#include "config/defaults.h"
#include "control/macvctl/help.h"

const char *
command_syntax(const struct command *c, char *buf, size_t size)
{
	const struct command_arg *arg;
	char part[64];

	snprintf(buf, size, "%s%s%s", c->object, c->command[0] ? " " : "", c->command);
	for (arg = c->args; !command_arg_end(arg); arg++) {
		if (arg->kind == ARG_KEYS)
			strlcpy(part, "KEY VALUE", sizeof(part));
		else
			snprintf(part, sizeof(part), "%s%s%s",
				 arg->kind == ARG_KEYWORD ? arg->name : "",
				 arg->kind == ARG_KEYWORD ? " " : "", arg->meta);
		strlcat(buf, arg->required ? " " : " [", size);
		strlcat(buf, part, size);
		if (arg->kind == ARG_KEYS)
			strlcat(buf, arg->required ? " [KEY VALUE ...]" : " ...", size);
		strlcat(buf, arg->required ? "" : "]", size);
	}
	return buf;
}

void
help_usage(FILE *out)
{
	fputs("usage: macvctl [-j] [-p] [-s] [-d] [--control PATH] OBJECT COMMAND ...\n"
	      "       macvctl help | macvctl OBJECT help | macvctl -V | macvctl -h\n",
	      out);
}

void
help_all(FILE *out)
{
	const struct command *c;
	char syntax[256];

	help_usage(out);
	fputs("\ncommands (objects and commands may be shortened):\n", out);
	for (c = command_table(); c->object != NULL; c++)
		fprintf(out, "  %s\n      %s\n", command_syntax(c, syntax, sizeof(syntax)),
			c->help);
	fprintf(out, "\noptions (before the object):\n"
		     "  -j              print JSON\n"
		     "  -p              print JSON for reading\n"
		     "  -s              add counters\n"
		     "  -d              add detail\n"
		     "  --control PATH  the daemon's socket; else $MACVSWITCH_CONTROL, else\n"
		     "                  " DEFAULT_CONTROL "\n"
		     "  -V              print the version\n"
		     "  -h              print this\n"
		     "\nexit status: 0 done, 1 usage, 2 the daemon refused, 3 no daemon\n"
		     "keys: macvctl uplink help, macvctl port help\n");
}

/* The keys of a section with what each accepts, and whether `set` takes it. */
static void
help_keys(FILE *out, enum section section)
{
	const struct key *key;

	fprintf(out, "\nkeys (* can be changed by `set`):\n");
	for (key = section_keys(section); key->name != NULL; key++)
		fprintf(out, "%c %-23s %s\n  %-23s %s\n", key->when == KEY_ANY_TIME ? '*' : ' ',
			key->name, key->values, "", key->help);
}

bool
help_object(FILE *out, const char *object)
{
	const struct command_arg *arg;
	const struct command *c;
	int section = -1;
	char syntax[256];
	bool found = false;

	for (c = command_table(); c->object != NULL; c++) {
		if (strcmp(c->object, object) != 0)
			continue;
		found = true;
		fprintf(out, "macvctl %s\n    %s\n", command_syntax(c, syntax, sizeof(syntax)),
			c->help);
		if (c->detail != NULL)
			fprintf(out, "    %s\n", c->detail);
		for (arg = c->args; !command_arg_end(arg); arg++)
			if (arg->kind == ARG_KEYS)
				section = (int)arg->keys;
	}
	if (section >= 0)
		help_keys(out, (enum section)section);
	return found;
}
