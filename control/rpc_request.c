/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * From one line of JSON-RPC 2.0 to its answer: parse, check the envelope, find the command, check
 * its parameters by the tables, and only then call the handler. Called for each line by a
 * connection (control/rpc_conn.c) on the control thread.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/command_table.h"
#include "control/rpc_params.h"
#include "control/rpc_request.h"

/* Text for people as JSON. A text may have been cut within a UTF-8 sequence, which JSON refuses. */
static json_t *
text_json(const char *text)
{
	json_t *value = json_string(text);
	char ascii[sizeof(((struct errmsg *)NULL)->text)];
	size_t i;

	if (value != NULL)
		return value;
	for (i = 0; text[i] != '\0' && i < sizeof(ascii) - 1; i++)
		ascii[i] = isascii((unsigned char)text[i]) ? text[i] : '?';
	ascii[i] = '\0';
	return json_string(ascii);
}

static json_t *
id_json(const json_t *id)
{
	return id == NULL ? json_null() : json_incref((json_t *)id);
}

json_t *
rpc_error(const json_t *id, enum rpc_code code, const char *text)
{
	return json_pack("{s:s, s:{s:i, s:o}, s:o}", "jsonrpc", "2.0", "error", "code", (int)code,
			 "message", text_json(text), "id", id_json(id));
}

/* The daemon's refusal: the errno's name lets a script tell the reasons apart. */
static json_t *
refusal(const json_t *id, int err, const char *text)
{
	const char *name = strerrorname_np(-err);

	if (text[0] == '\0')
		text = strerror(-err);
	return json_pack("{s:s, s:{s:i, s:o, s:{s:s}}, s:o}", "jsonrpc", "2.0", "error", "code",
			 RPC_REFUSED, "message", text_json(text), "data", "errno",
			 name == NULL ? "EIO" : name, "id", id_json(id));
}

static json_t *
success(const json_t *id, json_t *result)
{
	return json_pack("{s:s, s:o, s:o}", "jsonrpc", "2.0", "result",
			 result == NULL ? json_object() : result, "id", id_json(id));
}

static json_t *
parse_failure(const char *line, size_t len, const json_error_t *why)
{
	struct errmsg e;

	if (memchr(line, '\0', len) != NULL)
		return rpc_error(NULL, RPC_PARSE_ERROR, "not JSON: a NUL byte");
	err_set(&e, 0, "not JSON: %s (byte %d)", why->text, why->position);
	return rpc_error(NULL, RPC_PARSE_ERROR, e.text);
}

/* The request's id where an answer can carry it, or NULL. */
static const json_t *
usable_id(const json_t *request)
{
	const json_t *id = json_object_get(request, "id");

	return json_is_string(id) || json_is_number(id) ? id : NULL;
}

/* What is wrong with the envelope, or NULL. */
static const char *
envelope_check(const json_t *request)
{
	const char *version = json_string_value(json_object_get(request, "jsonrpc"));
	const json_t *id = json_object_get(request, "id");

	if (json_is_array(request))
		return "batches are not supported; send one object a line";
	if (!json_is_object(request))
		return "a request is an object";
	if (version == NULL || strcmp(version, "2.0") != 0)
		return "the member jsonrpc must be \"2.0\"";
	if (!json_is_string(json_object_get(request, "method")))
		return "the member method must be a string";
	if (id != NULL && !json_is_null(id) && usable_id(request) == NULL)
		return "the member id must be a string, a number or null";
	return NULL;
}

static json_t *
unknown_method(const json_t *id, const char *method)
{
	struct errmsg e;
	char all[384];

	err_set(&e, 0, "unknown method \"%.40s\"; there are: %s", method,
		command_methods(all, sizeof(all)));
	return rpc_error(id, RPC_UNKNOWN_METHOD, e.text);
}

static json_t *
run(const json_t *request, rpc_dispatch_fn dispatch, void *ctx, bool *monitor)
{
	const char *method = json_string_value(json_object_get(request, "method"));
	const json_t *params = json_object_get(request, "params");
	const json_t *id = json_object_get(request, "id");
	const struct command *c = command_of_method(method);
	struct errmsg e = {""};
	json_t *result = NULL, *none;
	int ret;

	if (c == NULL)
		return unknown_method(id, method);
	ret = rpc_params_check(c, params, &e);
	if (ret == -EINVAL)
		return rpc_error(id, RPC_BAD_PARAMS, e.text);
	if (ret != 0)
		return refusal(id, ret, e.text);
	if (strcmp(method, "monitor") == 0) {
		*monitor = true;
		return success(id, json_pack("{s:b}", "monitoring", 1));
	}
	none = json_object(); /* so that a handler need not look for NULL */
	if (none == NULL)
		return NULL;
	ret = dispatch(ctx, method, params == NULL ? none : params, &result, &e);
	json_decref(none);
	if (ret == 0)
		return success(id, result);
	json_decref(result);
	return refusal(id, ret, e.text);
}

json_t *
rpc_request_run(const char *line, size_t len, rpc_dispatch_fn dispatch, void *ctx, bool *monitor)
{
	json_t *request, *answer = NULL;
	const char *wrong;
	json_error_t why;

	/* jansson itself refuses NUL in strings, bad UTF-8, and nesting deeper than 2048. */
	request = json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
	if (request == NULL)
		return parse_failure(line, len, &why);
	wrong = envelope_check(request);
	if (wrong != NULL) {
		answer = rpc_error(usable_id(request), RPC_INVALID_REQUEST, wrong);
		goto out;
	}
	answer = run(request, dispatch, ctx, monitor);
	if (json_object_get(request, "id") == NULL) { /* a notification */
		json_decref(answer);
		answer = NULL;
	}
out:
	json_decref(request);
	return answer;
}
