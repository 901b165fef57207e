/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * `macvctl --complete WORDS...`: candidates for the last word, by the tables of commands and keys;
 * names come from the daemon. Called by the shell's completion (macvctl.bash) at every Tab.
 */
#include <stdbool.h>
#include <string.h>

#include "control/command_table.h"
#include "control/macvctl/complete.h"

struct completion {
	FILE *out;
	const char *prefix;
	complete_names_fn names;
	void *ctx;
};

static void
offer(const struct completion *w, const char *word)
{
	if (strncmp(word, w->prefix, strlen(w->prefix)) == 0)
		fprintf(w->out, "%s\n", word);
}

static void
offer_names(const struct completion *w, const char *object)
{
	if (w->names != NULL)
		w->names(w->ctx, w->out, object, w->prefix);
}

/* The objects, or the commands of one object. */
static void
offer_commands(const struct completion *w, const char *object)
{
	const struct command *c;
	const char *last = "";

	for (c = command_table(); c->object != NULL; c++) {
		if (object == NULL && strcmp(c->object, last) != 0)
			offer(w, c->object);
		if (object != NULL && strcmp(c->object, object) == 0)
			offer(w, c->command);
		last = c->object;
	}
	offer(w, "help");
}

static bool
is_given(const char *word, unsigned int n, char *const *words)
{
	unsigned int i;

	for (i = 0; i < n; i += 2)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

/* The words that may still follow. n words are given, the last of them is the prefix. */
static void
offer_keys(const struct completion *w, const struct command *c, unsigned int n, char *const *words)
{
	const struct command_arg *arg;
	const struct key *key;

	for (arg = c->args; !command_arg_end(arg); arg++) {
		if (arg->kind == ARG_KEYWORD && !is_given(arg->name, n - 1, words))
			offer(w, arg->name);
		if (arg->kind != ARG_KEYS)
			continue;
		for (key = section_keys(arg->keys); key->name != NULL; key++)
			if (command_arg_find(c, key->name) == NULL &&
			    !is_given(key->name, n - 1, words) &&
			    (!c->set_only_changeable || key->when == KEY_ANY_TIME))
				offer(w, key->name);
	}
}

static void
offer_values(const struct completion *w, const struct command *c, const char *word)
{
	const struct key *key = command_key_find(c, word);
	const struct choice *choice;

	if (strcmp(word, "uplink") == 0 || strcmp(word, "from") == 0)
		offer_names(w, "uplink");
	if (strcmp(word, "port") == 0 || strcmp(word, "from") == 0)
		offer_names(w, "port");
	if (key == NULL)
		return;
	for (choice = key->choices; choice != NULL && choice->name != NULL; choice++)
		offer(w, choice->name);
	if (strcmp(key->values, "on or off") == 0) {
		offer(w, "on");
		offer(w, "off");
	}
}

/* Positional arguments first, then pairs; n words of the command's own, the last the prefix. */
static void
offer_args(const struct completion *w, const struct command *c, unsigned int n, char *const *words)
{
	const struct command_arg *arg = c->args;

	for (; !command_arg_end(arg) && arg->kind == ARG_VALUE; arg++, n--, words++) {
		if (n > 1)
			continue;
		if (strcmp(arg->meta, "NAME") == 0 && strcmp(c->command, "add") != 0)
			offer_names(w, c->object);
		return;
	}
	if (n % 2 == 1)
		offer_keys(w, c, n, words);
	else
		offer_values(w, c, words[n - 2]);
}

void
complete_words(FILE *out, unsigned int n, char *const *words, complete_names_fn names, void *ctx)
{
	struct completion w = {.out = out, .names = names, .ctx = ctx};
	const struct command *c;

	if (n == 0)
		return;
	w.prefix = words[n - 1];
	while (n > 1 && words[0][0] == '-') { /* options that are complete */
		bool has_value = strcmp(words[0], "--control") == 0;

		if (has_value && n == 2)
			return; /* a path: the shell completes files by itself */
		n -= has_value ? 2 : 1;
		words += has_value ? 2 : 1;
	}
	if (n == 1) {
		offer_commands(&w, NULL);
		return;
	}
	if (strcmp(words[0], "help") == 0) {
		if (n == 2)
			offer_commands(&w, NULL);
		return;
	}
	if (command_find(words[0], n > 2 ? words[1] : NULL, &c, NULL) != 0 &&
	    command_find(words[0], "show", &c, NULL) != 0)
		return;
	if (c->command[0] == '\0')
		offer_args(&w, c, n - 1, words + 1);
	else if (n == 2)
		offer_commands(&w, c->object);
	else if (command_find(words[0], words[1], &c, NULL) == 0)
		offer_args(&w, c, n - 2, words + 2);
}
