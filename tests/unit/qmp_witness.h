/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "tests/unit/qmp_fixture.h"

/* One user of the monitor, and all that it was told. */
struct witness {
	struct fixture *f;
	struct qmp_user *user;
	unsigned int states, events, resets, replies;
	enum qmp_state state;
	char reason[512];
	int err; /* of the last reply */
	char reply[512];
	struct qmp_user *victim; /* put when told the next event or state */
};

static __attribute__((unused)) void
witness_state(void *ctx, enum qmp_state state, const char *reason)
{
	struct witness *w = ctx;

	w->states++;
	w->state = state;
	strlcpy(w->reason, reason, sizeof(w->reason));
	if (w->victim != NULL)
		qmp_monitor_put(w->victim);
	w->victim = NULL;
}

static __attribute__((unused)) void
witness_event(void *ctx, const char *name, const json_t *data)
{
	struct witness *w = ctx;

	w->events++;
	if (strcmp(name, "RESET") == 0)
		w->resets++;
	if (strcmp(name, "NO_OBJECT") == 0)
		assert_null(data);
	if (w->victim != NULL)
		qmp_monitor_put(w->victim);
	w->victim = NULL;
}

static __attribute__((unused)) void
witness_reply(void *ctx, int err, const json_t *value, const char *reason)
{
	struct witness *w = ctx;

	w->replies++;
	w->err = err;
	strlcpy(w->reply, err == 0 ? json_string_value(value) : reason, sizeof(w->reply));
}

static __attribute__((unused)) void
join(struct fixture *f, struct witness *w)
{
	const struct qmp_watch watch = {.state = witness_state, .event = witness_event, .ctx = w};
	struct errmsg e = {""};

	*w = (struct witness){.f = f};
	assert_int_equal(qmp_monitor_get(f->monitors, f->path, &watch, &w->user, &e), 0);
	assert_int_equal(w->states, 0); /* callbacks come from the loop */
}

static __attribute__((unused)) void
expect_state(struct witness *w, enum qmp_state state, const char *reason)
{
	UNTIL(w->f, w->states > 0 && w->state == state && strstr(w->reason, reason) != NULL);
	if (reason[0] != '\0')
		assert_non_null(strstr(w->reason, w->f->path));
}

static __attribute__((unused)) struct qmp_command *
send_command(struct witness *w, const char *name)
{
	return qmp_execute(w->user, name, json_pack("{s:i}", "n", 1), witness_reply, w);
}
