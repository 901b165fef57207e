/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * The QMP client against monitors that behave, and against those that stall, flood or lie.
 */
#include "tests/unit/qmp_witness.h"

static void
good_dialogue(void **state)
{
	struct fixture *f = *state;
	struct witness w;
	json_int_t id;

	join(f, &w);
	assert_null(send_command(&w, "too-early"));
	negotiate(f, 1);
	expect_state(&w, QMP_READY, "");
	assert_string_equal(w.reason, "");
	assert_non_null(send_command(&w, "query-something"));
	id = hear_command(f, "query-something", "{\"n\":1}");
	say(f, "{\"event\": \"RESET\", \"data\": {\"guest\": true}}\r\n\r\n");
	answer(f, id, "\"fine\"");
	UNTIL(f, w.replies == 1);
	assert_int_equal(w.err, 0);
	assert_string_equal(w.reply, "fine");
	assert_int_equal(w.resets, 1);
	say(f, "{\"event\": \"NO_OBJECT\", \"data\": [1]}\n{\"event\": \"NO_OBJECT\"}\n");
	UNTIL(f, w.events == 3);
	qmp_monitor_put(w.user);
}

static void
refused_command(void **state)
{
	struct fixture *f = *state;
	struct witness w;

	join(f, &w);
	negotiate(f, 1);
	expect_state(&w, QMP_READY, "");
	send_command(&w, "nonsense");
	refuse(f, hear_command(f, "nonsense", "{\"n\":1}"), "no\\u0007 such \\u00e4");
	UNTIL(f, w.replies == 1);
	assert_int_equal(w.err, -EREMOTEIO);
	assert_string_equal(w.reply, "no? such ??");
	send_command(&w, "nonsense");
	say(f, "{\"error\": 7, \"id\": 3}\n");
	UNTIL(f, w.replies == 2);
	assert_int_equal(w.err, -EREMOTEIO);
	assert_int_equal(w.state, QMP_READY);
	qmp_monitor_put(w.user);
}

static void
no_greeting(void **state)
{
	struct fixture *f = *state;
	struct witness w;

	join(f, &w);
	expect_state(&w, QMP_FAILED, "no greeting: another client may be using this monitor");
	negotiate(f, 2); /* the other client went away */
	expect_state(&w, QMP_READY, "");
	qmp_monitor_put(w.user);
}

/* As much of a monitor as the backlog takes: connect(2) itself says no. */
static void
full_backlog(void **state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct fixture *f = *state;
	struct witness w;
	int fds[16], i;

	evconnlistener_disable(f->listener);
	strlcpy(addr.sun_path, f->path, sizeof(addr.sun_path));
	for (i = 0; i < 16; i++) {
		fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fds[i], (struct sockaddr *)&addr, sizeof(addr));
	}
	join(f, &w);
	expect_state(&w, QMP_CONNECTING, "another client uses this monitor");
	for (i = 0; i < 16; i++)
		close(fds[i]);
	qmp_monitor_put(w.user);
}

static void
bad_greetings(void **state)
{
	static const char *const greetings[][2] = {
		{"QEMU 7.2.22 monitor - type 'help' for more information\r\n", "not JSON"},
		{"{\"QMP\": 1}\n", "not a greeting"},
		{"{\"event\": \"RESET\"}\n", "not a greeting"},
		{"[]\n", "not a greeting"},
		{"\"\n", "not JSON"},
	};
	struct fixture *f = *state;
	struct witness w;
	unsigned int i;

	join(f, &w);
	for (i = 0; i < sizeof(greetings) / sizeof(greetings[0]); i++) {
		UNTIL(f, f->accepted == i + 1);
		say(f, greetings[i][0]);
		expect_state(&w, QMP_FAILED, greetings[i][1]);
	}
	qmp_monitor_put(w.user);
}

static void
refused_capabilities(void **state)
{
	struct fixture *f = *state;
	struct witness w;

	join(f, &w);
	UNTIL(f, f->accepted == 1);
	say(f, GREETING);
	refuse(f, hear_command(f, "qmp_capabilities", NULL), "not for you");
	expect_state(&w, QMP_FAILED, "capabilities were refused: not for you");
	UNTIL(f, f->accepted == 2); /* the timer of the next try has survived */
	say(f, GREETING);
	expect_state(&w, QMP_FAILED, "no answer to qmp_capabilities within 400 ms");
	negotiate(f, 3);
	expect_state(&w, QMP_READY, "");
	qmp_monitor_put(w.user);
}

static void
stall(void **state)
{
	struct fixture *f = *state;
	struct witness w;

	join(f, &w);
	negotiate(f, 1);
	expect_state(&w, QMP_READY, "");
	turn_for(f, 500); /* silence is no fault while nothing was asked */
	assert_int_equal(w.state, QMP_READY);
	send_command(&w, "one");
	send_command(&w, "two");
	expect_state(&w, QMP_FAILED, "no answer to one within 400 ms");
	assert_int_equal(w.replies, 2);
	assert_int_equal(w.err, -ECONNRESET);
	negotiate(f, 2);
	expect_state(&w, QMP_READY, "");
	qmp_monitor_put(w.user);
}

/* A line that comes byte by byte is waited for longer, but not for ever. */
static void
drip(void **state)
{
	struct fixture *f = *state;
	struct witness w;
	int64_t start;

	join(f, &w);
	negotiate(f, 1);
	expect_state(&w, QMP_READY, "");
	send_command(&w, "one");
	start = milliseconds();
	while (w.state == QMP_READY && milliseconds() - start < 6000) {
		say_bytes(f, "[", 1);
		turn_for(f, 20);
	}
	assert_int_equal(w.state, QMP_FAILED);
	assert_in_range(milliseconds() - start, 1500, 5000);
	qmp_monitor_put(w.user);
}

/* More than it may say: read later, in pieces, and nothing is lost, not even an answer. */
static void
flood(void **state)
{
	struct fixture *f = *state;
	struct witness w;
	json_int_t id;
	int i;

	join(f, &w);
	negotiate(f, 1);
	expect_state(&w, QMP_READY, "");
	send_command(&w, "behind-the-flood");
	id = hear_command(f, "behind-the-flood", "{\"n\":1}");
	for (i = 0; i < 70; i++)
		say(f, "{\"event\": \"RESET\"}\n");
	answer(f, id, "\"at last\"");
	turn_for(f, 600); /* more than command_ms */
	assert_int_equal(w.replies, 0);
	assert_in_range(w.events, 40, 50);
	UNTIL(f, w.replies == 1);
	assert_int_equal(w.err, 0);
	assert_int_equal(w.events, 70);
	assert_int_equal(f->accepted, 1);
	qmp_monitor_put(w.user);
}

static void
garbage(void **state)
{
	static const char *const lines[] = {
		"\xff\xfe\n", "{]\n",   "{\"return\": {}\n", "{\"hello\": 1}\n",
		"7\n",        "[[[[\n", "{\"event\": 1}\n",
	};
	struct fixture *f = *state;
	struct witness w;
	unsigned int i;

	join(f, &w);
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		negotiate(f, i + 1);
		expect_state(&w, QMP_READY, "");
		say(f, lines[i]);
		expect_state(&w, QMP_FAILED, "JSON");
	}
	qmp_monitor_put(w.user);
}

static void
half_a_line(void **state)
{
	struct fixture *f = *state;
	struct witness w;

	join(f, &w);
	negotiate(f, 1);
	expect_state(&w, QMP_READY, "");
	send_command(&w, "one");
	hear_command(f, "one", "{\"n\":1}"); /* else it is a reset, not an end */
	say(f, "{\"return\": \"al");
	turn(f);
	hang_up(f);
	expect_state(&w, QMP_FAILED, "closed in the middle of a line");
	assert_int_equal(w.err, -ECONNRESET);
	negotiate(f, 2);
	expect_state(&w, QMP_READY, "");
	qmp_monitor_put(w.user);
}

static void
ten_megabytes(void **state)
{
	size_t size = 10 * 1024 * 1024;
	char *big = malloc(size);
	struct fixture *f = *state;
	struct witness w;

	assert_non_null(big);
	memset(big, 'x', size);
	join(f, &w);
	negotiate(f, 1);
	expect_state(&w, QMP_READY, "");
	say(f, "{\"return\": \"");
	assert_false(say_bytes(f, big, size));
	expect_state(&w, QMP_FAILED, "a line of more than 1048576 bytes");
	negotiate(f, 2);
	expect_state(&w, QMP_READY, "");
	/* The longest that may come. */
	send_command(&w, "one");
	assert_int_equal(hear_command(f, "one", "{\"n\":1}"), 3);
	memcpy(big, "{\"id\": 3, \"return\": \"", 21);
	memcpy(big + QMP_LINE_MAX - 2, "\"}\n", 3);
	assert_true(say_bytes(f, big, QMP_LINE_MAX + 1));
	UNTIL(f, w.replies == 1);
	assert_int_equal(w.err, 0);
	qmp_monitor_put(w.user);
	free(big);
}

static void
strange_ids(void **state)
{
	struct fixture *f = *state;
	struct witness w;
	json_int_t id;

	join(f, &w);
	negotiate(f, 1);
	expect_state(&w, QMP_READY, "");
	send_command(&w, "one");
	id = hear_command(f, "one", "{\"n\":1}");
	/* Not ours: of another, of nobody, not even a number. And ours, but twice. */
	answer(f, id + 7, "\"wrong\"");
	say(f, "{\"return\": \"wrong\"}\n{\"return\": \"wrong\", \"id\": \"2\"}\n");
	answer(f, id, "\"right\"");
	answer(f, id, "\"wrong\"");
	send_command(&w, "two");
	answer(f, hear_command(f, "two", "{\"n\":1}"), "\"right too\"");
	UNTIL(f, w.replies == 2);
	assert_string_equal(w.reply, "right too");
	/* An id is not used again after a reconnect, when a late answer may still come. */
	hang_up(f);
	negotiate(f, 2);
	expect_state(&w, QMP_READY, "");
	send_command(&w, "three");
	answer(f, id, "\"wrong\"");
	assert_true(hear_command(f, "three", "{\"n\":1}") > id + 1);
	/* An error without an id is what QEMU says to what it cannot read. */
	say(f, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error\"}}\n");
	expect_state(&w, QMP_FAILED, "JSON parse error");
	assert_int_equal(w.err, -ECONNRESET);
	qmp_monitor_put(w.user);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(good_dialogue), TEST(refused_command),
		TEST(no_greeting),   TEST(full_backlog),
		TEST(bad_greetings), TEST(refused_capabilities),
		TEST(stall),         TEST(drip),
		TEST(flood),         TEST(garbage),
		TEST(half_a_line),   TEST(ten_megabytes),
		TEST(strange_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
