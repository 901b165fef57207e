/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * The QMP client against monitors that come and go, are shared, and whose users come and go.
 */
#include "tests/unit/qmp_witness.h"

static void
missing_socket(void **state)
{
	struct fixture *f = *state;
	struct witness w;

	stop_listening(f);
	join(f, &w);
	expect_state(&w, QMP_CONNECTING, "No such file or directory");
	turn_for(f, 200);
	assert_in_range(w.states, 1, 2); /* said once, not at each try */
	start_listening(f);
	negotiate(f, 1);
	expect_state(&w, QMP_READY, "");
	hang_up(f);
	expect_state(&w, QMP_CONNECTING, "closed by QEMU");
	qmp_monitor_put(w.user);
}

static void
back_off(void **state)
{
	static const int pauses[] = {20, 40, 80, 160, 320, 320};
	int64_t before, shortest = INT64_MAX;
	struct fixture *f = *state;
	struct witness w;
	unsigned int i;

	f->hang_up = true;
	join(f, &w);
	UNTIL(f, f->accepted == 1);
	for (i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		before = f->accepted_ms;
		UNTIL(f, f->accepted == i + 2);
		assert_in_range(f->accepted_ms - before, pauses[i] / 2, 3000);
	}
	/* From the shortest again, once it was ready; of five, lest a busy machine spoil it. */
	f->hang_up = false;
	for (i = 0; i < 5; i++) {
		negotiate(f, 8 + i);
		expect_state(&w, QMP_READY, "");
		before = milliseconds();
		hang_up(f);
		UNTIL(f, f->accepted == 9 + i);
		if (f->accepted_ms - before < shortest)
			shortest = f->accepted_ms - before;
	}
	assert_in_range(shortest, 10, 250);
	qmp_monitor_put(w.user);
}

/* Who greets well and then talks nonsense, again and again, is visited ever more rarely. */
static void
back_off_from_nonsense(void **state)
{
	static const int pauses[] = {20, 40, 80, 160};
	struct fixture *f = *state;
	struct witness w;
	unsigned int i;
	int64_t before;

	join(f, &w);
	for (i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		negotiate(f, i + 1);
		expect_state(&w, QMP_READY, "");
		before = milliseconds();
		say(f, "nonsense\n");
		expect_state(&w, QMP_FAILED, "not JSON");
		UNTIL(f, f->accepted == i + 2);
		assert_in_range(f->accepted_ms - before, pauses[i] / 2, 3000);
	}
	qmp_monitor_put(w.user);
}

static void
hurry(void **state)
{
	const struct qmp_limits limits = {.greeting_ms = 5000,
					  .command_ms = 5000,
					  .retry_first_ms = 50,
					  .retry_last_ms = 60000,
					  .messages_per_second = 1000};
	struct fixture *f = *state;
	struct witness w;
	int64_t before;

	qmp_monitors_destroy(f->monitors);
	assert_int_equal(qmp_monitors_create(f->base, &limits, &f->monitors), 0);
	stop_listening(f);
	join(f, &w);
	turn_for(f, 800); /* 50 + 100 + 200 + 400: a pause of 800 has begun */
	start_listening(f);
	before = milliseconds();
	while (f->accepted == 0) {
		qmp_monitor_hurry(w.user); /* again and again: it must not be postponed */
		turn(f);
	}
	assert_in_range(milliseconds() - before, 0, 500);
	negotiate(f, 1);
	expect_state(&w, QMP_READY, "");
	qmp_monitor_hurry(w.user);
	turn_for(f, 50);
	assert_int_equal(f->accepted, 1);
	qmp_monitor_put(w.user);
}

static void
shared(void **state)
{
	struct fixture *f = *state;
	struct witness a, b, c;
	char byte;

	join(f, &a);
	join(f, &b);
	negotiate(f, 1);
	expect_state(&a, QMP_READY, "");
	expect_state(&b, QMP_READY, "");
	join(f, &c); /* late, and told all the same */
	expect_state(&c, QMP_READY, "");
	assert_int_equal(a.states, 2); /* connecting, ready, and not once more */
	assert_int_equal(f->accepted, 1);
	/* b goes while the event is on its way to a, b and c. */
	a.victim = b.user;
	send_command(&b, "of-b");
	say(f, "{\"event\": \"RESET\"}\n");
	UNTIL(f, a.events == 1 && c.events == 1);
	assert_int_equal(b.events, 0);
	answer(f, hear_command(f, "of-b", "{\"n\":1}"), "\"too late\"");
	/* The last ones go by their own hand. */
	a.victim = c.user;
	say(f, "{\"event\": \"RESET\"}\n");
	UNTIL(f, a.events == 2);
	a.victim = a.user;
	say(f, "{\"event\": \"RESET\"}\n{\"event\": \"RESET\"}\n");
	UNTIL(f, a.events == 3);
	turn_for(f, 50);
	assert_int_equal(a.events, 3);
	assert_int_equal(b.replies, 0);
	assert_int_equal(recv(f->peer, &byte, 1, MSG_DONTWAIT), 0);
	assert_int_equal(f->accepted, 1);
}

/* Nobody who has left is told a state, not even amid the telling. */
static void
left_while_told(void **state)
{
	struct fixture *f = *state;
	struct witness a, b;

	join(f, &a);
	join(f, &b);
	negotiate(f, 1);
	expect_state(&b, QMP_READY, "");
	a.victim = b.user;
	hang_up(f);
	expect_state(&a, QMP_CONNECTING, "closed by QEMU");
	assert_int_equal(b.state, QMP_READY);
	a.victim = a.user; /* by his own hand, the last */
	negotiate(f, 2);
	UNTIL(f, a.victim == NULL);
	turn_for(f, 30);
	assert_int_equal(f->accepted, 2);
}

static void
cancelled(void **state)
{
	struct fixture *f = *state;
	struct witness w;
	json_int_t id;

	join(f, &w);
	negotiate(f, 1);
	expect_state(&w, QMP_READY, "");
	qmp_cancel(send_command(&w, "one"));
	id = hear_command(f, "one", "{\"n\":1}");
	send_command(&w, "two");
	answer(f, id, "\"nobody wants it\"");
	answer(f, hear_command(f, "two", "{\"n\":1}"), "\"two\"");
	UNTIL(f, w.replies == 1);
	assert_string_equal(w.reply, "two");
	qmp_cancel(send_command(&w, "three"));
	expect_state(&w, QMP_FAILED, "no answer to three"); /* QEMU stalls, cancelled or not */
	assert_int_equal(w.replies, 1);
	qmp_monitor_put(w.user);
}

static void
output_is_bounded(void **state)
{
	struct fixture *f = *state;
	unsigned int sent = 0;
	struct witness w;

	join(f, &w);
	negotiate(f, 1);
	expect_state(&w, QMP_READY, "");
	while (send_command(&w, "nobody-reads-this") != NULL)
		sent++;
	assert_in_range(sent, 1000, QMP_BACKLOG_MAX / 40);
	assert_int_equal(w.state, QMP_READY);
	qmp_monitor_put(w.user);
}

static void
bad_paths(void **state)
{
	const struct qmp_watch watch = {0};
	struct fixture *f = *state;
	struct qmp_user *user = NULL;
	struct errmsg e = {""};
	char path[109];

	memset(path, 'x', 108);
	path[108] = '\0';
	assert_int_equal(qmp_monitor_get(f->monitors, path, &watch, &user, &e), -ENAMETOOLONG);
	assert_int_equal(qmp_monitor_get(f->monitors, "", &watch, &user, &e), -ENAMETOOLONG);
	assert_non_null(strstr(e.text, "1 to 107"));
	path[107] = '\0';
	assert_int_equal(qmp_monitor_get(f->monitors, path, &watch, &user, &e), 0);
	turn_for(f, 30); /* nobody is told, nobody minds */
	qmp_monitor_put(user);
	qmp_monitors_destroy(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(missing_socket),         TEST(back_off),  TEST(hurry),
		TEST(back_off_from_nonsense), TEST(shared),    TEST(cancelled),
		TEST(left_while_told),        TEST(bad_paths), TEST(output_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
