/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * The grammar of macvctl: OBJECT COMMAND, positional arguments, then word-and-value pairs. Objects
 * and commands may be shortened, keys may not (a key added later must not change what a script
 * means). Called by main.c and by the unit tests.
 */
#include <errno.h>
#include <string.h>

#include "control/macvctl/help.h"
#include "control/macvctl/parse.h"

/* "port add" or "version", for the start of an error text. */
static const char *
title(const struct command *c, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s", c->object, c->command[0] ? " " : "", c->command);
	return buf;
}

static int
put(json_t *params, const struct command *c, const char *name, const char *value, struct errmsg *e)
{
	char what[64];

	title(c, what, sizeof(what));
	if (json_object_get(params, name) != NULL)
		return err_set(e, -EINVAL, "%s: %s is given twice", what, name);
	if (json_object_set_new(params, name, json_string(value)) != 0)
		return err_set(e, -EINVAL, "%s: the value of %s is not UTF-8 text", what, name);
	return 0;
}

static int
unknown_word(const struct command *c, const char *word, struct errmsg *e)
{
	char what[64], words[400], syntax[256];

	title(c, what, sizeof(what));
	if (word[0] == '-')
		return err_set(e, -EINVAL, "%s: \"%.40s\": options stand before the object", what,
			       word);
	if (command_words(c, words, sizeof(words))[0] == '\0')
		return err_set(e, -EINVAL, "%s: \"%.40s\" is too much; usage: macvctl %s", what,
			       word, command_syntax(c, syntax, sizeof(syntax)));
	return err_set(e, -EINVAL, "%s: unknown key \"%.40s\"; known: %s", what, word, words);
}

static int
missing_value(const struct command *c, const char *word, struct errmsg *e)
{
	const struct command_arg *arg = command_arg_find(c, word);
	const struct key *key = command_key_find(c, word);
	char what[64];

	title(c, what, sizeof(what));
	return err_set(e, -EINVAL, "%s: %s has no value; accepted: %s", what, word,
		       key != NULL ? key->values : arg->meta);
}

/* The pairs that follow the positional arguments. */
static int
parse_pairs(const struct command *c, unsigned int n, char *const *words, json_t *params,
	    struct errmsg *e)
{
	const struct command_arg *arg;
	unsigned int i;
	int ret;

	for (i = 0; i < n; i += 2) {
		arg = command_arg_find(c, words[i]);
		if (arg != NULL && arg->kind == ARG_VALUE)
			arg = NULL; /* "name" is no word of the grammar */
		if (arg == NULL && command_key_find(c, words[i]) == NULL)
			return unknown_word(c, words[i], e);
		if (i + 1 == n)
			return missing_value(c, words[i], e);
		ret = put(params, c, words[i], words[i + 1], e);
		if (ret != 0)
			return ret;
	}
	return 0;
}

static int
check_complete(const struct command *c, const json_t *params, unsigned int pairs, struct errmsg *e)
{
	const struct command_arg *arg;
	char what[64], syntax[256];

	title(c, what, sizeof(what));
	command_syntax(c, syntax, sizeof(syntax));
	for (arg = c->args; !command_arg_end(arg); arg++) {
		if (!arg->required)
			continue;
		if (arg->kind == ARG_KEYS && pairs == 0)
			return err_set(e, -EINVAL, "%s: KEY VALUE is missing; usage: macvctl %s",
				       what, syntax);
		if (arg->kind == ARG_KEYS || json_object_get(params, arg->name) != NULL)
			continue;
		return err_set(e, -EINVAL, "%s: %s%s%s is missing; usage: macvctl %s", what,
			       arg->kind == ARG_KEYWORD ? arg->name : "",
			       arg->kind == ARG_KEYWORD ? " " : "", arg->meta, syntax);
	}
	return 0;
}

int
parse_words(unsigned int n, char *const *words, const struct command **command, json_t **params,
	    struct errmsg *e)
{
	const struct command_arg *arg;
	const struct command *c;
	unsigned int i = 0;
	json_t *made;
	int ret;

	if (n == 0)
		return err_set(e, -EINVAL, "an object is missing; try: macvctl help");
	ret = command_find(words[0], n > 1 ? words[1] : NULL, &c, e);
	if (ret != 0)
		return ret;
	made = json_object();
	if (made == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	i = c->command[0] == '\0' ? 1 : (n > 1 ? 2 : 1);
	for (arg = c->args; !command_arg_end(arg) && arg->kind == ARG_VALUE && i < n; arg++, i++) {
		ret = put(made, c, arg->name, words[i], e);
		if (ret != 0)
			goto fail;
	}
	ret = parse_pairs(c, n - i, words + i, made, e);
	if (ret != 0)
		goto fail;
	ret = check_complete(c, made, n - i, e);
	if (ret != 0)
		goto fail;
	*command = c;
	*params = made;
	return 0;
fail:
	json_decref(made);
	return ret;
}
