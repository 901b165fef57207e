/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * One monitor's life: pause, connect, greeting, negotiation, commands and events, failure, pause.
 * Made by control/qmp.c with its first user; runs from the event loop on the control thread. Every
 * entry from the loop is between enter and leave, so that a callback may put any user, even the
 * last.
 */
#include <bsd/string.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/qmp_internal.h"

/* How many times command_ms an answer may take while there is input that we have not read. */
#define PATIENCE_FACTOR 4

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void
set_timer(struct qmp_monitor *m, int64_t ms)
{
	const struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	evtimer_add(m->timer, &tv);
}

/* Connects after a pause of ms. */
static void
try_in(struct qmp_monitor *m, unsigned int ms)
{
	m->try_at_ms = now_ms() + ms;
	set_timer(m, ms);
}

void
qmp_monitor_hurry(struct qmp_user *user)
{
	struct qmp_monitor *m = user->monitor;
	unsigned int first_ms = m->owner->limits.retry_first_ms;

	/* Only ever forward: a guest that comes and goes all the time must not postpone it. */
	if (m->phase == QMP_PAUSE && m->try_at_ms > now_ms() + first_ms)
		try_in(m, first_ms);
}

static void
set_state(struct qmp_monitor *m, enum qmp_state state, const char *why)
{
	struct errmsg reason = {""};

	if (why[0] != '\0')
		err_set(&reason, 0, "%s: %s", m->path, why);
	if (state == m->state && strcmp(reason.text, m->reason.text) == 0)
		return;
	m->state = state;
	m->reason = reason;
	m->version++;
	qmp_users_tell(m);
}

static void
enter(struct qmp_monitor *m)
{
	m->busy = true;
}

/* false: the monitor went with its last user. */
static bool
leave(struct qmp_monitor *m)
{
	m->busy = false;
	return qmp_users_tidy(m);
}

static void
finish_command(struct qmp_monitor *m, struct qmp_command *command, int err, const json_t *value,
	       const char *reason)
{
	TAILQ_REMOVE(&m->commands, command, next);
	if (command->done != NULL)
		command->done(command->ctx, err, value, reason);
	free(command);
}

/* The connection is over, or there was none to be had: why, and another try after a pause. */
static void
give_up(struct qmp_monitor *m, enum qmp_state state, const char *why)
{
	const struct qmp_limits *limits = &m->owner->limits;
	struct qmp_command *command;

	/*
	 * A start from the shortest pause is for those that had a connection worth the name: who
	 * greets well and then breaks the protocol each time is not visited ten times a second.
	 */
	if (m->phase == QMP_OPEN &&
	    (state != QMP_FAILED || now_ms() - m->ready_since_ms >= limits->retry_last_ms))
		m->retry_ms = limits->retry_first_ms;
	qmp_conn_close(m->conn);
	m->conn = NULL;
	m->phase = QMP_PAUSE;
	try_in(m, m->retry_ms);
	m->retry_ms =
		m->retry_ms * 2 < limits->retry_last_ms ? m->retry_ms * 2 : limits->retry_last_ms;
	while ((command = TAILQ_FIRST(&m->commands)) != NULL)
		finish_command(m, command, -ECONNRESET, NULL, why);
	set_state(m, state, why);
}

/* The timer runs for the oldest command; none, no timer. In QMP_PAUSE it is not for commands. */
static void
watch_oldest(struct qmp_monitor *m)
{
	const struct qmp_command *oldest = TAILQ_FIRST(&m->commands);
	int64_t left;

	if (m->phase == QMP_PAUSE)
		return;
	if (oldest == NULL) {
		evtimer_del(m->timer);
		return;
	}
	left = oldest->sent_ms + m->owner->limits.command_ms - now_ms();
	set_timer(m, left > 0 ? left : 0);
}

struct qmp_command *
qmp_monitor_send(struct qmp_monitor *m, const struct qmp_user *user, const char *name,
		 json_t *arguments, qmp_reply_fn done, void *ctx)
{
	struct qmp_command *command = calloc(1, sizeof(*command));
	json_t *message = json_pack("{s:s, s:I, s:o*}", "execute", name, "id",
				    (json_int_t)m->last_id + 1, "arguments", arguments);

	if (command == NULL || message == NULL || qmp_conn_send(m->conn, message) != 0) {
		if (command == NULL)
			json_decref(message);
		free(command);
		return NULL;
	}
	command->user = user;
	command->done = done;
	command->ctx = ctx;
	command->id = ++m->last_id;
	command->sent_ms = now_ms();
	strlcpy(command->name, name, sizeof(command->name));
	TAILQ_INSERT_TAIL(&m->commands, command, next);
	if (TAILQ_FIRST(&m->commands) == command)
		watch_oldest(m);
	return command;
}

/* What QEMU says to a refused command, as one line for people. */
static void
read_error(const json_t *message, struct errmsg *e)
{
	const char *text =
		json_string_value(json_object_get(json_object_get(message, "error"), "desc"));
	size_t i;

	err_set(e, 0, "%.200s", text == NULL ? "an error without a description" : text);
	for (i = 0; e->text[i] != '\0'; i++)
		if (e->text[i] < ' ' || e->text[i] > '~')
			e->text[i] = '?';
}

static void
take_reply(struct qmp_monitor *m, const json_t *message)
{
	const json_t *id = json_object_get(message, "id");
	const json_t *value = json_object_get(message, "return");
	struct qmp_command *command;
	struct errmsg e = {""};

	if (value == NULL)
		read_error(message, &e);
	if (id == NULL && value == NULL) { /* so QEMU answers what it could not read */
		give_up(m, QMP_FAILED, e.text);
		return;
	}
	TAILQ_FOREACH (command, &m->commands, next)
		if (json_is_integer(id) && (uint64_t)json_integer_value(id) == command->id)
			break;
	/* No command of ours: QEMU can answer what a former connection asked before it closed. */
	if (command == NULL)
		return;
	finish_command(m, command, value == NULL ? -EREMOTEIO : 0, value, e.text);
	watch_oldest(m);
}

static void
on_capabilities(void *ctx, int err, const json_t *value, const char *reason)
{
	struct qmp_monitor *m = ctx;
	struct errmsg e;

	(void)value;
	if (err == -ECONNRESET) /* give_up is at work */
		return;
	if (err != 0) {
		err_set(&e, 0, "capabilities were refused: %s", reason);
		give_up(m, QMP_FAILED, e.text);
		return;
	}
	m->phase = QMP_OPEN;
	m->ready_since_ms = now_ms();
	set_state(m, QMP_READY, "");
}

static void
take_greeting(struct qmp_monitor *m, const json_t *message)
{
	if (!json_is_object(json_object_get(message, "QMP"))) {
		give_up(m, QMP_FAILED, "not a greeting; is this a QMP monitor?");
		return;
	}
	m->phase = QMP_NEGOTIATING;
	if (qmp_monitor_send(m, NULL, "qmp_capabilities", NULL, on_capabilities, m) == NULL)
		give_up(m, QMP_FAILED, "out of memory");
}

static bool
on_message(void *ctx, const json_t *message)
{
	struct qmp_monitor *m = ctx;
	const char *event = json_string_value(json_object_get(message, "event"));

	enter(m);
	if (m->phase == QMP_GREETING)
		take_greeting(m, message);
	else if (event != NULL)
		qmp_users_event(m, event, json_object_get(message, "data"));
	else if (json_object_get(message, "return") != NULL ||
		 json_object_get(message, "error") != NULL)
		take_reply(m, message);
	else
		give_up(m, QMP_FAILED, "JSON that is neither an event nor an answer");
	/* A new connection is never made in here, so one that is there is the same. */
	return leave(m) && m->conn != NULL;
}

static void
on_ended(void *ctx, bool fault, const char *reason)
{
	struct qmp_monitor *m = ctx;

	enter(m);
	give_up(m, fault ? QMP_FAILED : QMP_CONNECTING, reason);
	leave(m);
}

static void
connect_now(struct qmp_monitor *m)
{
	const struct qmp_conn_handler handler = {
		.message = on_message, .ended = on_ended, .ctx = m};
	const struct qmp_limits *limits = &m->owner->limits;
	struct errmsg e;

	if (qmp_conn_open(m->owner->base, m->path, limits->messages_per_second, &handler, &m->conn,
			  &e) != 0) {
		give_up(m, QMP_CONNECTING, e.text);
		return;
	}
	m->phase = QMP_GREETING;
	set_timer(m, limits->greeting_ms);
}

static void
check_oldest(struct qmp_monitor *m)
{
	const struct qmp_command *oldest = TAILQ_FIRST(&m->commands);
	int64_t limit = m->owner->limits.command_ms, waited;
	struct errmsg e;

	if (oldest == NULL)
		return;
	waited = now_ms() - oldest->sent_ms;
	if (waited < limit) { /* libevent rounds */
		set_timer(m, limit - waited);
	} else if (waited < limit * PATIENCE_FACTOR && qmp_conn_has_input(m->conn)) {
		/* The answer may lie there: we were busy, or it is behind a flood of events. */
		set_timer(m, limit / PATIENCE_FACTOR);
	} else {
		err_set(&e, 0, "no answer to %s within %lld ms", oldest->name, (long long)limit);
		give_up(m, QMP_FAILED, e.text);
	}
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct qmp_monitor *m = arg;

	(void)fd;
	(void)what;
	enter(m);
	if (m->phase == QMP_PAUSE)
		connect_now(m);
	else if (m->phase == QMP_GREETING)
		give_up(m, QMP_FAILED, "no greeting: another client may be using this monitor");
	else
		check_oldest(m);
	leave(m);
}

static void
on_news(evutil_socket_t fd, short what, void *arg)
{
	struct qmp_monitor *m = arg;

	(void)fd;
	(void)what;
	enter(m);
	qmp_users_tell(m);
	leave(m);
}

struct qmp_monitor *
qmp_monitor_create(struct qmp_monitors *owner, const char *path)
{
	struct qmp_monitor *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->owner = owner;
	strlcpy(m->path, path, sizeof(m->path));
	TAILQ_INIT(&m->users);
	TAILQ_INIT(&m->commands);
	m->retry_ms = owner->limits.retry_first_ms;
	m->version = 1; /* unknown to every user */
	m->timer = evtimer_new(owner->base, on_timer, m);
	m->news = evtimer_new(owner->base, on_news, m);
	TAILQ_INSERT_TAIL(&owner->list, m, next);
	if (m->timer == NULL || m->news == NULL) {
		qmp_monitor_destroy(m);
		return NULL;
	}
	try_in(m, 0);
	return m;
}

void
qmp_monitor_destroy(struct qmp_monitor *m)
{
	struct qmp_command *command;

	while ((command = TAILQ_FIRST(&m->commands)) != NULL) {
		TAILQ_REMOVE(&m->commands, command, next);
		free(command);
	}
	qmp_conn_close(m->conn);
	if (m->timer != NULL)
		event_free(m->timer);
	if (m->news != NULL)
		event_free(m->news);
	TAILQ_REMOVE(&m->owner->list, m, next);
	free(m);
}
