/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <bsd/string.h>
#include <errno.h>
#include <event2/event.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/rpc_server.h"

/*
 * The RPC server over a real unix socket in a temporary folder, its event loop and its clients in
 * this one thread: the clients never block, and each wait turns the loop. For test_rpc*.c.
 */

#define PATIENCE_S 20
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

struct fixture {
	struct event_base *base;
	struct rpc_server *server;
	char folder[64];
	char path[108];
	unsigned int dispatched;
	char last_method[64];
	char big[1024]; /* what port.show answers with, many times */
};

/* libevent's memory: all that a peer can make the server hold is in its buffers. */
static size_t held, held_peak;

static __attribute__((unused)) void *
counted_realloc(void *old, size_t size)
{
	size_t before = old == NULL ? 0 : malloc_usable_size(old);
	void *p = realloc(old, size);

	if (p == NULL)
		return NULL;
	held += malloc_usable_size(p) - before;
	held_peak = held > held_peak ? held : held_peak;
	return p;
}

static __attribute__((unused)) void *
counted_malloc(size_t size)
{
	return counted_realloc(NULL, size);
}

static __attribute__((unused)) void
counted_free(void *p)
{
	held -= p == NULL ? 0 : malloc_usable_size(p);
	free(p);
}

static __attribute__((unused)) int
fake_dispatch(void *ctx, const char *method, const json_t *params, json_t **result,
	      struct errmsg *e)
{
	struct fixture *f = ctx;

	f->dispatched++;
	strlcpy(f->last_method, method, sizeof(f->last_method));
	assert_true(json_is_object(params));
	if (strcmp(method, "port.del") == 0) /* cut amid a UTF-8 sequence, as err_set may do */
		return err_set(e, -ENOENT, "there is no port \"vm1\xc3");
	if (strcmp(method, "port.show") == 0)
		*result = json_pack("[s]", f->big);
	if (strcmp(method, "version") == 0)
		*result = json_pack("{s:s}", "version", "1");
	if (strcmp(method, "shutdown") == 0) {
		json_t *event = json_pack("{s:s}", "event", "shutdown");

		rpc_server_event(f->server, event);
		json_decref(event);
	}
	return 0;
}

static __attribute__((unused)) int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct errmsg e = {""};

	assert_non_null(f);
	memset(f->big, 'x', sizeof(f->big) - 1);
	strlcpy(f->folder, "/tmp/macv-rpc-XXXXXX", sizeof(f->folder));
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/s", f->folder);
	f->base = event_base_new();
	assert_int_equal(rpc_server_create(f->base, f->path, "", fake_dispatch, f, &f->server, &e),
			 0);
	*state = f;
	return 0;
}

static __attribute__((unused)) int
teardown(void **state)
{
	struct fixture *f = *state;

	rpc_server_destroy(f->server);
	event_base_free(f->base);
	assert_int_equal(access(f->path, F_OK), -1);
	rmdir(f->folder);
	free(f);
	return 0;
}

static __attribute__((unused)) void
turn(struct fixture *f)
{
	const struct timespec nap = {.tv_nsec = 200000};

	event_base_loop(f->base, EVLOOP_NONBLOCK);
	nanosleep(&nap, NULL);
}

static __attribute__((unused)) int
try_connect(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	close(fd);
	return -errno;
}

static __attribute__((unused)) int
dial(struct fixture *f)
{
	int fd = try_connect(f->path);

	assert_true(fd >= 0);
	return fd;
}

/* Sends all, turning the loop. false: the server hung up. */
static __attribute__((unused)) bool
say_bytes(struct fixture *f, int fd, const char *data, size_t len)
{
	time_t end = time(NULL) + PATIENCE_S;
	ssize_t sent;

	while (len > 0) {
		assert_true(time(NULL) < end);
		sent = send(fd, data, len, MSG_NOSIGNAL);
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

static __attribute__((unused)) void
say(struct fixture *f, int fd, const char *line)
{
	assert_true(say_bytes(f, fd, line, strlen(line)));
}

/* One line without its newline; "" is the end of the connection. */
static __attribute__((unused)) const char *
hear(struct fixture *f, int fd, char *buf, size_t size)
{
	time_t end = time(NULL) + PATIENCE_S;
	size_t used = 0;
	ssize_t got;

	while (used < size - 1) {
		assert_true(time(NULL) < end);
		got = recv(fd, buf + used, 1, 0);
		if (got == 0 || (got < 0 && errno != EAGAIN)) {
			assert_int_equal(used, 0);
			break;
		}
		if (got < 0)
			turn(f);
		else if (buf[used++] == '\n')
			break;
	}
	buf[used > 0 ? used - 1 : 0] = '\0';
	return buf;
}

static __attribute__((unused)) void
ask(struct fixture *f, int fd, const char *line, const char *wanted)
{
	char buf[2048];

	say(f, fd, line);
	say(f, fd, "\n");
	assert_string_equal(hear(f, fd, buf, sizeof(buf)), wanted);
}

/* The answer's start is enough where its text is somebody else's (jansson's). */
static __attribute__((unused)) void
ask_error(struct fixture *f, int fd, const char *line, const char *code, const char *text)
{
	char buf[2048];

	say(f, fd, line);
	say(f, fd, "\n");
	hear(f, fd, buf, sizeof(buf));
	if (strstr(buf, code) == NULL || strstr(buf, text) == NULL)
		fail_msg("%s: %s", line, buf);
}

#define VERSION "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"version\"}"
#define VERSION_ANSWER "{\"jsonrpc\":\"2.0\",\"result\":{\"version\":\"1\"},\"id\":1}"

/* Room for 513 connections, which have both ends here; and libevent's memory counted. */
static __attribute__((unused)) void
prepare(void)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max < 2048 ? files.rlim_max : 2048;
	setrlimit(RLIMIT_NOFILE, &files);
	event_set_mem_functions(counted_malloc, counted_realloc, counted_free);
}
