/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * Who uses which of QEMU's monitors: one monitor for each path, kept for as long as it has users.
 * Called by control/qmp_device.c for ports and by the daemon's main for the registry, on the
 * control thread.
 */
#include <bsd/string.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "control/qmp_internal.h"

int
qmp_monitors_create(struct event_base *base, const struct qmp_limits *limits,
		    struct qmp_monitors **monitors)
{
	struct qmp_monitors *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return -ENOMEM;
	m->base = base;
	m->limits = limits == NULL ? QMP_LIMITS_DEFAULT : *limits;
	TAILQ_INIT(&m->list);
	*monitors = m;
	return 0;
}

void
qmp_monitors_destroy(struct qmp_monitors *monitors)
{
	free(monitors);
}

struct event_base *
qmp_monitors_base(const struct qmp_monitors *monitors)
{
	return monitors->base;
}

static struct qmp_monitor *
find_monitor(struct qmp_monitors *monitors, const char *path)
{
	struct qmp_monitor *m;

	TAILQ_FOREACH (m, &monitors->list, next)
		if (strcmp(m->path, path) == 0)
			return m;
	return NULL;
}

int
qmp_monitor_get(struct qmp_monitors *monitors, const char *path, const struct qmp_watch *watch,
		struct qmp_user **user, struct errmsg *e)
{
	struct qmp_monitor *m = find_monitor(monitors, path);
	struct qmp_user *u;

	if (path[0] == '\0' || strlen(path) >= sizeof(m->path))
		return err_set(e, -ENAMETOOLONG, "qmp: '%s' is not a socket's path: 1 to %zu bytes",
			       path, sizeof(m->path) - 1);
	u = calloc(1, sizeof(*u));
	if (u != NULL && m == NULL)
		m = qmp_monitor_create(monitors, path);
	if (u == NULL || m == NULL) {
		free(u);
		return err_set(e, -ENOMEM, "qmp: %s: out of memory", path);
	}
	u->monitor = m;
	u->watch = *watch;
	TAILQ_INSERT_TAIL(&m->users, u, next);
	event_active(m->news, EV_TIMEOUT, 0);
	*user = u;
	return 0;
}

void
qmp_monitor_put(struct qmp_user *user)
{
	struct qmp_monitor *m = user->monitor;
	struct qmp_command *command;

	TAILQ_FOREACH (command, &m->commands, next)
		if (command->user == user)
			qmp_cancel(command);
	user->gone = true;
	if (!m->busy)
		qmp_users_tidy(m);
}

struct qmp_command *
qmp_execute(struct qmp_user *user, const char *name, json_t *arguments, qmp_reply_fn done,
	    void *ctx)
{
	if (user->monitor->phase == QMP_OPEN)
		return qmp_monitor_send(user->monitor, user, name, arguments, done, ctx);
	json_decref(arguments);
	return NULL;
}

void
qmp_cancel(struct qmp_command *command)
{
	command->done = NULL;
	command->user = NULL;
}

void
qmp_users_tell(struct qmp_monitor *m)
{
	struct qmp_user *user;

	TAILQ_FOREACH (user, &m->users, next) {
		if (user->gone || user->told == m->version)
			continue;
		user->told = m->version;
		if (user->watch.state != NULL)
			user->watch.state(user->watch.ctx, m->state, m->reason.text);
	}
}

void
qmp_users_event(struct qmp_monitor *m, const char *name, const json_t *data)
{
	struct qmp_user *user;

	if (m->phase != QMP_OPEN) /* nobody could ask anything yet, so nobody misses it */
		return;
	TAILQ_FOREACH (user, &m->users, next)
		if (!user->gone && user->watch.event != NULL)
			user->watch.event(user->watch.ctx, name,
					  json_is_object(data) ? data : NULL);
}

bool
qmp_users_tidy(struct qmp_monitor *m)
{
	struct qmp_user *user, *following;

	TAILQ_FOREACH_SAFE (user, &m->users, next, following) {
		if (!user->gone)
			continue;
		TAILQ_REMOVE(&m->users, user, next);
		free(user);
	}
	if (!TAILQ_EMPTY(&m->users))
		return true;
	qmp_monitor_destroy(m);
	return false;
}
