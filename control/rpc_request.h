/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "control/rpc_server.h"

/*
 * JSON-RPC 2.0 without sockets: one line in, one answer out. Control thread; touches only its
 * arguments (and what dispatch does).
 */

enum rpc_code {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_UNKNOWN_METHOD = -32601,
	RPC_BAD_PARAMS = -32602,
	RPC_INTERNAL_ERROR = -32603,
	RPC_REFUSED = -32000,
};

/*
 * Runs the request in line (len bytes, not NUL terminated, no newline). Returns the answer as a new
 * reference, or NULL: a notification, or no memory. *monitor is set where the peer asked for
 * events and left alone otherwise.
 */
json_t *rpc_request_run(const char *line, size_t len, rpc_dispatch_fn dispatch, void *ctx,
			bool *monitor);

/* An error answer. id is borrowed; NULL stands for the null of an unreadable request. */
json_t *rpc_error(const json_t *id, enum rpc_code code, const char *text);
