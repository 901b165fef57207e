/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * What the RPC server makes of lines: good ones, nonsense, huge ones, and who gets events.
 */
#include "tests/unit/rpc_fixture.h"

static void
answers(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);
	char buf[256];

	ask(f, fd, VERSION, VERSION_ANSWER);
	ask(f, fd,
	    "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"port.del\",\"params\":{\"name\":"
	    "\"vm1\"}}",
	    "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32000,\"message\":\"there is no port "
	    "\\\"vm1?\",\"data\":{\"errno\":\"ENOENT\"}},\"id\":\"a\"}");
	/* Without a result, {}; several in one write; CRLF; empty lines; a notification. */
	say(f, fd,
	    "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"config.reload\"}\r\n\r\n\n"
	    "{\"jsonrpc\":\"2.0\",\"method\":\"version\"}\n" VERSION "\n");
	assert_string_equal(hear(f, fd, buf, sizeof(buf)),
			    "{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":2}");
	assert_string_equal(hear(f, fd, buf, sizeof(buf)), VERSION_ANSWER);
	assert_int_equal(f->dispatched, 5);
	/* A last line without a newline, as from printf | nc -N. */
	say(f, fd, VERSION);
	shutdown(fd, SHUT_WR);
	assert_string_equal(hear(f, fd, buf, sizeof(buf)), VERSION_ANSWER);
	assert_string_equal(hear(f, fd, buf, sizeof(buf)), "");
	close(fd);
}

static void
byte_by_byte(void **state)
{
	struct fixture *f = *state;
	const char *c, line[] = VERSION "\n" VERSION "\n";
	int fd = dial(f);
	char buf[256];

	for (c = line; *c != '\0'; c++) {
		assert_true(say_bytes(f, fd, c, 1));
		turn(f);
	}
	assert_string_equal(hear(f, fd, buf, sizeof(buf)), VERSION_ANSWER);
	assert_string_equal(hear(f, fd, buf, sizeof(buf)), VERSION_ANSWER);
	close(fd);
}

static void
nonsense(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);
	char deep[6001];
	char buf[512];

	ask_error(f, fd, "hello", "-32700", "not JSON");
	ask_error(f, fd, "{\"a\":1,\"a\":2}", "-32700", "uplicate");
	ask_error(f, fd, VERSION VERSION, "-32700", "not JSON");
	ask_error(f, fd, "\"\\u0000\"", "-32700", "not JSON");
	ask_error(f, fd, "\"\xff\"", "-32700", "not JSON");
	assert_true(say_bytes(f, fd, "\"\0\"\n", 4));
	assert_non_null(strstr(hear(f, fd, buf, sizeof(buf)), "a NUL byte"));
	memset(deep, '[', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	ask_error(f, fd, deep, "-32700", "depth");
	ask_error(f, fd, "[" VERSION "]", "-32600", "batches are not supported");
	ask_error(f, fd, "7", "-32600", "a request is an object");
	ask_error(f, fd, "{\"id\":1,\"method\":\"version\"}", "-32600", "jsonrpc");
	ask_error(f, fd, "{\"jsonrpc\":2.0,\"id\":1,\"method\":\"version\"}", "-32600",
		  "\"id\":1}");
	ask_error(f, fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":{}}", "-32600", "method");
	ask_error(f, fd, "{\"jsonrpc\":\"2.0\",\"id\":[],\"method\":\"version\"}", "-32600",
		  "\"id\":null}");
	ask_error(f, fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"port.ad\"}", "-32601",
		  "port.add");
	ask_error(f, fd,
		  "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"port.del\",\"params\":{\"name\":1}}",
		  "-32602", "name");
	ask_error(f, fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"port.del\",\"params\":[1]}",
		  "-32602", "an object");
	ask_error(
		f, fd,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"port.set\",\"params\":{\"name\":\"a\","
		"\"uplink\":\"b\"}}",
		"-32000", "EPERM");
	assert_int_equal(f->dispatched, 0);
	ask(f, fd, VERSION, VERSION_ANSWER);
	close(fd);
}

static void
long_lines(void **state)
{
	struct fixture *f = *state;
	const size_t huge = 10 * 1024 * 1024;
	char *line = malloc(huge), buf[512];
	size_t before;
	int fd = dial(f);

	/* As long as may be: blanks are JSON too. */
	memset(line, ' ', huge);
	assert_true(say_bytes(f, fd, line, RPC_LINE_MAX - strlen(VERSION)));
	ask(f, fd, VERSION, VERSION_ANSWER);

	before = held;
	held_peak = held;
	assert_true(say_bytes(f, fd, line, huge)); /* all is taken, none of it kept */
	assert_true(held_peak - before < RPC_LINE_MAX * 5 / 2);
	hear(f, fd, buf, sizeof(buf));
	assert_non_null(strstr(buf, "-32600"));
	assert_non_null(strstr(buf, "1048576 bytes"));
	assert_string_equal(hear(f, fd, buf, sizeof(buf)), "");
	close(fd);
	free(line);
}

static void
monitors(void **state)
{
	struct fixture *f = *state;
	int a = dial(f), b = dial(f), other = dial(f);
	json_t *event = json_pack("{s:s, s:s}", "event", "port-added", "name", "vm1");
	const char *monitor = "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"monitor\"}";
	const char *answer = "{\"jsonrpc\":\"2.0\",\"result\":{\"monitoring\":true},\"id\":9}";
	char buf[256];

	rpc_server_event(f->server, event);
	ask(f, a, monitor, answer);
	ask(f, b, monitor, answer);
	ask(f, other, VERSION, VERSION_ANSWER);
	rpc_server_event(f->server, event);
	assert_string_equal(hear(f, a, buf, sizeof(buf)),
			    "{\"event\":\"port-added\",\"name\":\"vm1\"}");
	assert_string_equal(hear(f, b, buf, sizeof(buf)),
			    "{\"event\":\"port-added\",\"name\":\"vm1\"}");
	close(b);
	turn(f);
	/* An event from within a request, to the connection that made it. */
	ask(f, a, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"shutdown\"}",
	    "{\"event\":\"shutdown\"}");
	assert_string_equal(hear(f, a, buf, sizeof(buf)),
			    "{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":3}");
	ask(f, other, VERSION, VERSION_ANSWER);
	json_decref(event);
	close(a);
	close(other);
}

/* A monitor and a requester that never read are closed; the others do not notice. */
static void
laggards(void **state)
{
	struct fixture *f = *state;
	const char *show = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"port.show\"}\n";
	int lazy = dial(f), greedy = dial(f), fd = dial(f);
	json_t *event;
	char buf[256];
	bool alive = true;
	unsigned int i;

	ask(f, lazy, "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"monitor\"}",
	    "{\"jsonrpc\":\"2.0\",\"result\":{\"monitoring\":true},\"id\":9}");
	event = json_pack("{s:s, s:s}", "event", "x", "filler", f->big);
	held_peak = held;
	for (i = 0; i < 2 * RPC_BACKLOG_MAX / sizeof(f->big); i++) {
		rpc_server_event(f->server, event);
		if (i % 64 == 0)
			event_base_loop(f->base, EVLOOP_NONBLOCK);
	}
	for (i = 0; i < 2 * RPC_BACKLOG_MAX / sizeof(f->big) && alive; i++)
		alive = say_bytes(f, greedy, show, strlen(show));
	assert_false(alive);
	assert_true(held_peak < 3 * RPC_BACKLOG_MAX);
	ask(f, fd, VERSION, VERSION_ANSWER);
	turn(f);
	do { /* what had reached the kernel, then the end */
		i = (unsigned int)recv(lazy, buf, sizeof(buf), 0);
	} while ((int)i > 0);
	assert_true(i == 0 || errno == ECONNRESET);
	json_decref(event);
	close(lazy);
	close(greedy);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers),    TEST(byte_by_byte), TEST(nonsense),
		TEST(long_lines), TEST(monitors),     TEST(laggards),
	};

	prepare();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
