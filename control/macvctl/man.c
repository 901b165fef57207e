/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * `macvctl --man`: the man page in troff, made from the tables by the build.
 */
#include "config/defaults.h"
#include "control/macvctl/help.h"

/* Text with what troff would take as its own made harmless. */
static void
troff(FILE *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text != '\0'; text++) {
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-')
			fputs("\\-", out);
		else
			fputc(*text, out);
	}
}

static void
troff_item(FILE *out, const char *head, const char *text)
{
	fputs(".TP\n.B ", out);
	troff(out, head);
	fputc('\n', out);
	troff(out, text);
	fputc('\n', out);
}

static void
man_keys(FILE *out, enum section section)
{
	const struct key *key;

	fprintf(out, ".SH KEYS OF %s\n", section == SECTION_UPLINK ? "AN UPLINK" : "A PORT");
	for (key = section_keys(section); key->name != NULL; key++) {
		troff_item(out, key->name, key->help);
		fputs("(", out);
		troff(out, key->values);
		fprintf(out, "%s).\n", key->when == KEY_ANY_TIME ? "; may be changed" : "");
	}
}

void
help_man(FILE *out)
{
	const struct command *c;
	char syntax[256];

	fputs(".TH MACVCTL 8 \"\" \"macvswitch " MACVSWITCH_VERSION "\"\n"
	      ".SH NAME\nmacvctl \\- steer the macvswitch packet switch\n"
	      ".SH SYNOPSIS\n.B macvctl\n"
	      "[\\-j] [\\-p] [\\-s] [\\-d] [\\-\\-control PATH] OBJECT COMMAND ...\n"
	      ".SH DESCRIPTION\n"
	      "Asks a running macvswitchd over its unix socket. Objects and commands may be "
	      "shortened to an unambiguous prefix; keys are whole words.\n"
	      ".SH COMMANDS\n",
	      out);
	for (c = command_table(); c->object != NULL; c++) {
		troff_item(out, command_syntax(c, syntax, sizeof(syntax)), c->help);
		if (c->detail != NULL) {
			fputs(".br\n", out);
			troff(out, c->detail);
			fputc('\n', out);
		}
	}
	man_keys(out, SECTION_UPLINK);
	man_keys(out, SECTION_PORT);
	fputs(".SH OPTIONS\n", out);
	troff_item(out, "-j", "Print JSON; an array for show.");
	troff_item(out, "-p", "Print JSON with line breaks and indentation.");
	troff_item(out, "-s", "Add counters.");
	troff_item(out, "-d", "Add detail.");
	troff_item(out, "--control PATH", "The daemon's socket.");
	fputs(".SH ENVIRONMENT\n", out);
	troff_item(out, "MACVSWITCH_CONTROL",
		   "The daemon's socket where --control is not given; by default " DEFAULT_CONTROL);
	fputs(".SH EXIT STATUS\n"
	      "0 done, 1 usage, 2 the daemon refused (its reason on stderr), 3 no daemon.\n",
	      out);
}
