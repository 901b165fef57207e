/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "config/errmsg.h"

/*
 * One connection to a monitor's socket: JSON values, one a line, each way; within the limits of
 * control/qmp.h. Knows nothing of what they mean. Control thread.
 */

struct event_base;
struct qmp_conn;

struct qmp_conn_handler {
	/* A JSON value came (borrowed). false: the connection was closed meanwhile. */
	bool (*message)(void *ctx, const json_t *message);
	/* It is over: the handler must close it. fault: the peer broke a rule, and did not merely
	 * hang up. */
	void (*ended)(void *ctx, bool fault, const char *reason);
	void *ctx;
};

/*
 * Connects at once or not at all, as unix sockets do. 0; or what connect(2) says, such as -ENOENT,
 * -ECONNREFUSED, and -EAGAIN: so many wait there that another client must be served; -ENOMEM.
 */
int qmp_conn_open(struct event_base *base, const char *path, unsigned int messages_per_second,
		  const struct qmp_conn_handler *handler, struct qmp_conn **conn, struct errmsg *e);

/* Queues a value (stolen; NULL is allowed). 0, -ENOMEM, or -ENOBUFS: QMP_BACKLOG_MAX waits. */
int qmp_conn_send(struct qmp_conn *conn, json_t *value);

/* Is there input that was not read yet, or not to its line's end? */
bool qmp_conn_has_input(struct qmp_conn *conn);

/* NULL is allowed. */
void qmp_conn_close(struct qmp_conn *conn);
