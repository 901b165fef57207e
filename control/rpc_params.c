/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * JSON-RPC parameters: checked against a command's row before a handler sees them, and turned into
 * the text that the key tables parse, so that a value has one meaning whether it comes from the
 * file, from macvctl or from JSON. Called by the RPC server and the handlers, control thread.
 */
#include <bsd/inttypes.h>
#include <bsd/string.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/rpc_params.h"

/* What a value is, for error texts. */
static const char *
type_name(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a fraction";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a boolean";
	default:
		return "null";
	}
}

static int
check_arg(const struct command_arg *arg, const json_t *value, struct errmsg *e)
{
	if (json_is_string(value) || (arg->number && json_is_integer(value)))
		return 0;
	return err_set(e, -EINVAL, "parameter \"%s\" is %s; accepted: a string%s", arg->name,
		       type_name(value), arg->number ? " or an integer" : "");
}

static int
check_key_value(const char *name, const json_t *value, struct errmsg *e)
{
	const json_t *item;
	size_t i;

	if (json_is_string(value) || json_is_integer(value) || json_is_boolean(value))
		return 0;
	if (!json_is_array(value))
		return err_set(e, -EINVAL,
			       "parameter \"%s\" is %s; accepted: a string, an integer, a boolean "
			       "or an array of strings",
			       name, type_name(value));
	json_array_foreach (value, i, item) {
		if (!json_is_string(item))
			return err_set(e, -EINVAL,
				       "parameter \"%s\" has %s in its array; accepted: strings",
				       name, type_name(item));
	}
	return 0;
}

/* Every parameter of the command, for error texts. Returns buf. */
static const char *
all_params(const struct command *c, char *buf, size_t size)
{
	const struct command_arg *first = &c->args[0]; /* only it can be positional */
	char words[320];

	command_words(c, words, sizeof(words));
	strlcpy(buf, first->kind == ARG_VALUE && first->name != NULL ? first->name : "", size);
	if (buf[0] != '\0' && words[0] != '\0')
		strlcat(buf, ", ", size);
	strlcat(buf, words, size);
	if (buf[0] == '\0')
		strlcpy(buf, "none", size);
	return buf;
}

/* One member of the parameters. *is_key says that it belongs to the section's keys. */
static int
check_member(const struct command *c, const char *name, const json_t *value, bool *is_key,
	     struct errmsg *e)
{
	const struct command_arg *arg = command_arg_find(c, name);
	const struct key *key = command_key_find(c, name);
	char words[400];

	*is_key = key != NULL;
	if (arg != NULL)
		return check_arg(arg, value, e);
	if (key == NULL)
		return err_set(e, -EINVAL, "unknown parameter \"%.40s\"; accepted: %s", name,
			       all_params(c, words, sizeof(words)));
	if (c->set_only_changeable && key->when == KEY_ADD_ONLY)
		return err_set(e, -EPERM,
			       "%s is fixed when the %s is added; what can be changed: %s", name,
			       c->object, command_words(c, words, sizeof(words)));
	return check_key_value(name, value, e);
}

int
rpc_params_check(const struct command *c, const json_t *params, struct errmsg *e)
{
	const struct command_arg *arg;
	unsigned int n_keys = 0;
	const json_t *value;
	const char *name;
	char words[400];
	bool is_key;
	int ret;

	if (params != NULL && !json_is_object(params))
		return err_set(e, -EINVAL, "the parameters are %s; accepted: an object",
			       type_name(params));
	json_object_foreach ((json_t *)params, name, value) {
		ret = check_member(c, name, value, &is_key, e);
		if (ret != 0)
			return ret;
		n_keys += is_key;
	}
	for (arg = c->args; !command_arg_end(arg); arg++) {
		if (!arg->required)
			continue;
		if (arg->kind == ARG_KEYS && n_keys == 0)
			return err_set(e, -EINVAL, "nothing to change; what can be changed: %s",
				       command_words(c, words, sizeof(words)));
		if (arg->kind != ARG_KEYS && json_object_get(params, arg->name) == NULL)
			return err_set(e, -EINVAL, "parameter \"%s\" (%s) is missing", arg->name,
				       arg->meta);
	}
	return 0;
}

/* The strings of an array, blank separated, to be freed. NULL: no memory, or not all strings. */
static char *
join_strings(const json_t *array)
{
	const json_t *item;
	size_t i, size = 1;
	char *text, *end;

	json_array_foreach (array, i, item) {
		if (!json_is_string(item))
			return NULL;
		size += json_string_length(item) + 1;
	}
	end = text = malloc(size);
	if (text == NULL)
		return NULL;
	json_array_foreach (array, i, item) {
		if (i > 0)
			*end++ = ' ';
		end = mempcpy(end, json_string_value(item), json_string_length(item));
	}
	*end = '\0';
	return text;
}

static int
apply_value(enum section section, void *object, const char *name, const json_t *value,
	    struct errmsg *e)
{
	char number[24], *joined;
	int ret;

	switch (json_typeof(value)) {
	case JSON_STRING:
		return key_set(section, object, name, json_string_value(value), e);
	case JSON_INTEGER:
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
			 json_integer_value(value));
		return key_set(section, object, name, number, e);
	case JSON_TRUE:
	case JSON_FALSE:
		return key_set(section, object, name, json_is_true(value) ? "on" : "off", e);
	case JSON_ARRAY:
		joined = join_strings(value);
		if (joined == NULL)
			return err_set(e, -EINVAL, "%s: accepted: an array of strings", name);
		ret = key_set(section, object, name, joined, e);
		free(joined);
		return ret;
	default:
		return err_set(e, -EINVAL, "%s is %s; accepted: a string", name, type_name(value));
	}
}

int
rpc_params_apply(enum section section, const json_t *params, bool changeable_only, void *object,
		 struct errmsg *e)
{
	static const size_t sizes[] = {
		[SECTION_DAEMON] = sizeof(struct daemon_settings),
		[SECTION_UPLINK] = sizeof(struct uplink_settings),
		[SECTION_PORT] = sizeof(struct port_settings),
	};
	union {
		struct daemon_settings daemon;
		struct uplink_settings uplink;
		struct port_settings port;
	} copy;
	const struct key *key;
	const json_t *value;
	const char *name;
	int ret;

	memcpy(&copy, object, sizes[section]);
	json_object_foreach ((json_t *)params, name, value) {
		key = key_find(section, name);
		if (key == NULL)
			continue;
		if (changeable_only && key->when == KEY_ADD_ONLY)
			return err_set(e, -EPERM, "%s is fixed when the %s is added", name,
				       section_name(section));
		ret = apply_value(section, &copy, name, value, e);
		if (ret != 0)
			return ret;
	}
	memcpy(object, &copy, sizes[section]);
	return 0;
}

const char *
rpc_param_string(const json_t *params, const char *name)
{
	return json_string_value(json_object_get(params, name));
}

int
rpc_param_number(const json_t *params, const char *name, uint32_t max, uint32_t *value,
		 struct errmsg *e)
{
	const json_t *given = json_object_get(params, name);
	const char *text = json_string_value(given);
	intmax_t number = -1;
	int bad = 0;

	if (given == NULL)
		return -ENOENT;
	if (json_is_integer(given))
		number = json_integer_value(given);
	else if (text != NULL) /* not base 0: 010 is ten to everybody who types a VLAN */
		number =
			strtoi(text, NULL, strncasecmp(text, "0x", 2) == 0 ? 16 : 10, 0, max, &bad);
	if (bad != 0 || number < 0 || number > (intmax_t)max)
		return err_set(e, -EINVAL, "%s: accepted: 0 to %" PRIu32, name, max);
	*value = (uint32_t)number;
	return 0;
}
