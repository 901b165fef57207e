/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "config/errmsg.h"

/*
 * QEMU's monitors (QMP over unix sockets), each connected to once however many users it has,
 * because a monitor serves one client. What comes from a monitor is never trusted, and nothing here
 * ever waits: QEMU answers nothing while it waits for our own vhost-user replies.
 *
 * A monitor connects by itself, again and again: at once, then after retry_first_ms, doubled up to
 * retry_last_ms. A socket that is missing or refuses is a state (QMP_CONNECTING) and no more. A
 * peer that breaks the protocol, says nothing, or does not answer loses the connection and is
 * QMP_FAILED until a later try succeeds. One that says too much is read more slowly: the rest stays
 * with it.
 *
 * Thread-safety: none; all on the control thread, and all callbacks from its event loop, never from
 * within a function of this header. A callback may call every function here but
 * qmp_monitors_destroy. SIGPIPE must be ignored (rpc_server_create sees to it).
 */

#define QMP_LINE_MAX (1024 * 1024)             /* bytes; the largest real answer has 24 kB */
#define QMP_BYTES_PER_SECOND (4 * 1024 * 1024) /* read of one monitor, in the long run */
#define QMP_BACKLOG_MAX (1024 * 1024)          /* bytes that may wait to be sent */

enum qmp_state {
	QMP_CONNECTING, /* no connection yet, or none any more */
	QMP_READY,      /* commands can be sent */
	QMP_FAILED,     /* the monitor does what it must not; it is tried again */
};

struct qmp_limits {
	unsigned int greeting_ms;         /* from connecting to the greeting */
	unsigned int command_ms;          /* from a command to its answer */
	unsigned int retry_first_ms;      /* the first pause before another try */
	unsigned int retry_last_ms;       /* the longest */
	unsigned int messages_per_second; /* events and answers; more are left unread for a while */
};

#define QMP_LIMITS_DEFAULT                          \
	((struct qmp_limits){.greeting_ms = 5000,   \
			     .command_ms = 5000,    \
			     .retry_first_ms = 100, \
			     .retry_last_ms = 5000, \
			     .messages_per_second = 1000})

struct event_base;
struct qmp_monitors;
struct qmp_user;
struct qmp_command;

/* What a user of a monitor is told; each may be NULL. */
struct qmp_watch {
	/* First soon after qmp_monitor_get, then at each change. reason: why not ready, with the
	 * socket's path; "" where there is nothing to say. */
	void (*state)(void *ctx, enum qmp_state state, const char *reason);
	/* An event of QEMU's; data is borrowed and NULL where it has none. */
	void (*event)(void *ctx, const char *name, const json_t *data);
	void *ctx;
};

/*
 * A command's end, once. err 0: value is its "return" (borrowed). -EREMOTEIO: QEMU refused, reason
 * has its words (printable, cut to 200 bytes). -ECONNRESET: the connection went first, and it is
 * not known whether the command was run.
 */
typedef void (*qmp_reply_fn)(void *ctx, int err, const json_t *value, const char *reason);

/* limits: NULL for QMP_LIMITS_DEFAULT. 0 or -ENOMEM. */
int qmp_monitors_create(struct event_base *base, const struct qmp_limits *limits,
			struct qmp_monitors **monitors);

/* The loop that they were created with, for timers of their users. */
struct event_base *qmp_monitors_base(const struct qmp_monitors *monitors);

/* Every user must have been put. NULL is allowed. */
void qmp_monitors_destroy(struct qmp_monitors *monitors);

/*
 * Joins the monitor at path, which is made with its first user. 0; -ENAMETOOLONG: not a socket's
 * path; -ENOMEM. That nothing is there is no error but a state.
 */
int qmp_monitor_get(struct qmp_monitors *monitors, const char *path, const struct qmp_watch *watch,
		    struct qmp_user **user, struct errmsg *e);

/* Leaves it: none of the user's callbacks comes any more. The last one's leaving closes it. */
void qmp_monitor_put(struct qmp_user *user);

/* A hint that the monitor may be there now (its guest has come): shortens a longer pause. */
void qmp_monitor_hurry(struct qmp_user *user);

/*
 * Sends a command. arguments: a reference that is stolen in every case; NULL for none. Returns a
 * handle that is good until done is called or the user is put, or NULL, and done will not be
 * called: the monitor is not ready, its output is full, or there is no memory.
 */
struct qmp_command *qmp_execute(struct qmp_user *user, const char *name, json_t *arguments,
				qmp_reply_fn done, void *ctx);

/* done will not be called; QEMU may still run the command. */
void qmp_cancel(struct qmp_command *command);
