/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <bsd/string.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/qmp.h"

/*
 * A monitor that the test itself is: a unix socket in a temporary folder, in the same thread and
 * event loop as the client. What the test says goes to the client that connected last; all waits
 * turn the loop. For test_qmp*.c.
 */

#define PATIENCE_S 20
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define UNTIL(f, condition)                             \
	do {                                            \
		time_t end_ = time(NULL) + PATIENCE_S;  \
		while (!(condition)) {                  \
			assert_true(time(NULL) < end_); \
			turn(f);                        \
		}                                       \
	} while (0)

/* As QEMU 7.2 and 10 say them. */
#define GREETING                                                                           \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, " \
	"\"package\": \"Debian 1:7.2+dfsg-7+deb12u18\"}, \"capabilities\": [\"oob\"]}}\r\n"
#define FILTER_EVENT(name)                                                                 \
	"{\"timestamp\": {\"seconds\": 1795355012, \"microseconds\": 251377}, \"event\": " \
	"\"NIC_RX_FILTER_CHANGED\", \"data\": {\"name\": \"" name                          \
	"\", \"path\": \"/machine/peripheral/" name "/virtio-backend\"}}\r\n"
#define NAMELESS_EVENT                                                                     \
	"{\"timestamp\": {\"seconds\": 1795355012, \"microseconds\": 251377}, \"event\": " \
	"\"NIC_RX_FILTER_CHANGED\", \"data\": {\"path\": "                                 \
	"\"/machine/peripheral-anon/device[0]/virtio-backend\"}}\r\n"

/* Short times, so that what must not happen can be waited for. */
#define SHORT_LIMITS                               \
	((struct qmp_limits){.greeting_ms = 400,   \
			     .command_ms = 400,    \
			     .retry_first_ms = 20, \
			     .retry_last_ms = 320, \
			     .messages_per_second = 50})

struct fixture {
	struct event_base *base;
	struct qmp_monitors *monitors;
	struct evconnlistener *listener;
	char folder[64];
	char path[108];
	int peer; /* the last client; -1: none */
	unsigned int accepted;
	int64_t accepted_ms; /* when the last was; CLOCK_MONOTONIC */
	bool hang_up;        /* on who connects */
};

static int64_t
milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void
turn(struct fixture *f)
{
	const struct timespec nap = {.tv_nsec = 200000};

	event_base_loop(f->base, EVLOOP_NONBLOCK);
	nanosleep(&nap, NULL);
}

static __attribute__((unused)) void
turn_for(struct fixture *f, int64_t ms)
{
	int64_t end = milliseconds() + ms;

	while (milliseconds() < end)
		turn(f);
}

static void
hang_up(struct fixture *f)
{
	if (f->peer >= 0)
		close(f->peer);
	f->peer = -1;
}

static void
on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *addr, int len,
	  void *arg)
{
	struct fixture *f = arg;

	(void)listener;
	(void)addr;
	(void)len;
	hang_up(f);
	f->peer = fd;
	f->accepted++;
	f->accepted_ms = milliseconds();
	if (f->hang_up)
		hang_up(f);
}

static void
start_listening(struct fixture *f)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	strlcpy(addr.sun_path, f->path, sizeof(addr.sun_path));
	f->listener = evconnlistener_new_bind(f->base, on_accept, f, LEV_OPT_CLOSE_ON_FREE, 8,
					      (struct sockaddr *)&addr, sizeof(addr));
	assert_non_null(f->listener);
}

static void
stop_listening(struct fixture *f)
{
	if (f->listener != NULL)
		evconnlistener_free(f->listener);
	f->listener = NULL;
	unlink(f->path);
	hang_up(f);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	signal(SIGPIPE, SIG_IGN);
	f->peer = -1;
	strlcpy(f->folder, "/tmp/macv-qmp-XXXXXX", sizeof(f->folder));
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/qmp", f->folder);
	f->base = event_base_new();
	assert_int_equal(qmp_monitors_create(f->base, &SHORT_LIMITS, &f->monitors), 0);
	start_listening(f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	qmp_monitors_destroy(f->monitors);
	stop_listening(f);
	event_base_free(f->base);
	assert_int_equal(rmdir(f->folder), 0);
	free(f);
	return 0;
}

/* false: the client hung up. */
static bool
say_bytes(struct fixture *f, const char *data, size_t len)
{
	time_t end = time(NULL) + PATIENCE_S;
	ssize_t sent;

	while (len > 0) {
		assert_true(time(NULL) < end);
		sent = send(f->peer, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno != EAGAIN)
			return false;
		if (sent > 0) {
			data += sent;
			len -= (size_t)sent;
		} else {
			turn(f);
		}
	}
	return true;
}

static void
say(struct fixture *f, const char *text)
{
	assert_true(say_bytes(f, text, strlen(text)));
}

/* The next line that the client sends, as JSON. */
static json_t *
hear(struct fixture *f)
{
	time_t end = time(NULL) + PATIENCE_S;
	char line[4096];
	size_t used = 0;
	json_t *message;
	ssize_t got;

	do {
		assert_true(time(NULL) < end && used < sizeof(line));
		got = recv(f->peer, line + used, 1, MSG_DONTWAIT);
		assert_true(got == 1 || (got < 0 && errno == EAGAIN));
		if (got < 0)
			turn(f);
		else
			used++;
	} while (used == 0 || line[used - 1] != '\n');
	message = json_loadb(line, used, 0, NULL);
	assert_non_null(message);
	return message;
}

/* The client must send this command now; gives its id. arguments: as JSON text, or NULL. */
static json_int_t
hear_command(struct fixture *f, const char *name, const char *arguments)
{
	json_t *message = hear(f), *wanted = NULL;
	json_int_t id = json_integer_value(json_object_get(message, "id"));

	assert_string_equal(json_string_value(json_object_get(message, "execute")), name);
	assert_true(id > 0);
	if (arguments != NULL)
		wanted = json_loads(arguments, 0, NULL);
	assert_true((wanted == NULL && json_object_get(message, "arguments") == NULL) ||
		    json_equal(wanted, json_object_get(message, "arguments")));
	json_decref(wanted);
	json_decref(message);
	return id;
}

/* Nothing comes from the client for ms. */
static __attribute__((unused)) void
hear_nothing(struct fixture *f, int64_t ms)
{
	char byte;

	turn_for(f, ms);
	assert_int_equal(recv(f->peer, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static void
answer(struct fixture *f, json_int_t id, const char *value)
{
	char tail[64];

	say(f, "{\"return\": ");
	say(f, value);
	snprintf(tail, sizeof(tail), ", \"id\": %lld}\r\n", (long long)id);
	say(f, tail);
}

static __attribute__((unused)) void
refuse(struct fixture *f, json_int_t id, const char *text)
{
	char line[1024];

	snprintf(line, sizeof(line),
		 "{\"id\": %lld, \"error\": {\"class\": \"GenericError\", \"desc\": \"%s\"}}\r\n",
		 (long long)id, text);
	say(f, line);
}

/* Waits for the client's n-th connection and negotiates. */
static void
negotiate(struct fixture *f, unsigned int nth)
{
	UNTIL(f, f->accepted == nth && f->peer >= 0);
	say(f, GREETING);
	answer(f, hear_command(f, "qmp_capabilities", NULL), "{}");
}
