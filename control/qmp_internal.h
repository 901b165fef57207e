/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/settings.h"
#include "control/qmp.h"
#include "control/qmp_conn.h"

/* Shared by qmp.c (who uses which monitor) and qmp_monitor.c (one monitor's life), and nobody else.
 */

struct event;
struct qmp_monitor;

TAILQ_HEAD(qmp_monitor_list, qmp_monitor);
TAILQ_HEAD(qmp_user_list, qmp_user);
TAILQ_HEAD(qmp_command_list, qmp_command);

struct qmp_monitors {
	struct event_base *base;
	struct qmp_limits limits;
	struct qmp_monitor_list list;
};

struct qmp_user {
	TAILQ_ENTRY(qmp_user) next;
	struct qmp_monitor *monitor;
	struct qmp_watch watch;
	unsigned int told; /* the last of monitor->version that the user knows */
	bool gone;         /* put during a callback: taken off the list when that ends */
};

struct qmp_command {
	TAILQ_ENTRY(qmp_command) next;
	const struct qmp_user *user; /* NULL: the monitor's own */
	qmp_reply_fn done;           /* NULL: cancelled; its answer is waited for all the same */
	void *ctx;
	uint64_t id;
	int64_t sent_ms; /* CLOCK_MONOTONIC */
	char name[32];   /* for messages */
};

enum qmp_phase {
	QMP_PAUSE,       /* timer: until the next try to connect */
	QMP_GREETING,    /* timer: until the greeting is late */
	QMP_NEGOTIATING, /* qmp_capabilities is sent; timer: as QMP_OPEN */
	QMP_OPEN,        /* timer: until the oldest command's answer is late */
};

struct qmp_monitor {
	TAILQ_ENTRY(qmp_monitor) next;
	struct qmp_monitors *owner;
	char path[SOCKET_PATH_SIZE];
	struct qmp_user_list users;
	struct qmp_command_list commands; /* sent and not answered, oldest first */
	struct qmp_conn *conn;            /* NULL in QMP_PAUSE */
	struct event *timer;
	struct event *news; /* tells the state to users that have just come */
	enum qmp_phase phase;
	enum qmp_state state;
	struct errmsg reason;
	unsigned int version;   /* of state and reason */
	unsigned int retry_ms;  /* the next pause */
	int64_t try_at_ms;      /* in QMP_PAUSE; CLOCK_MONOTONIC */
	int64_t ready_since_ms; /* CLOCK_MONOTONIC */
	uint64_t last_id;       /* never reused: QEMU may answer a former connection's commands */
	bool busy;              /* in callbacks: users stay on the list */
};

/* A monitor without users that connects when the event loop runs. NULL: no memory. */
struct qmp_monitor *qmp_monitor_create(struct qmp_monitors *owner, const char *path);

/* Closes and frees it; no callback is made, and no user may be left. */
void qmp_monitor_destroy(struct qmp_monitor *monitor);

/* As qmp_execute, in any phase that has a connection. */
struct qmp_command *qmp_monitor_send(struct qmp_monitor *monitor, const struct qmp_user *user,
				     const char *name, json_t *arguments, qmp_reply_fn done,
				     void *ctx);

/* Tells state and reason to the users that do not know them. Only while busy. */
void qmp_users_tell(struct qmp_monitor *monitor);

/* Hands an event to all users; data that is no object is left out. Only while busy. */
void qmp_users_event(struct qmp_monitor *monitor, const char *name, const json_t *data);

/* Frees users that left, and the monitor where none is left. false: it is freed. Not while busy. */
bool qmp_users_tidy(struct qmp_monitor *monitor);
