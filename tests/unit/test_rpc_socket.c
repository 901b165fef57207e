/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * The RPC server's socket file, its limits on connections, and its end.
 */
#include "tests/unit/rpc_fixture.h"

#define LONG_NAME "a-name-of-more-than-half-of-what-a-socket-path-may-have"

static void
many_connections(void **state)
{
	struct fixture *f = *state;
	int fds[200];
	unsigned int i;

	for (i = 0; i < 200; i++)
		fds[i] = dial(f);
	for (i = 0; i < 200; i++)
		say(f, fds[i], "{\"jsonrpc\":\"2.0\",");
	for (i = 200; i-- > 0;)
		ask(f, fds[i], "\"id\":1,\"method\":\"version\"}", VERSION_ANSWER);
	for (i = 0; i < 200; i++)
		close(fds[i]);
	turn(f);
}

static void
too_many_connections(void **state)
{
	struct fixture *f = *state;
	int fds[RPC_CONNECTIONS_MAX + 1];
	unsigned int i;
	char buf[512];

	for (i = 0; i <= RPC_CONNECTIONS_MAX; i++) {
		fds[i] = dial(f);
		turn(f);
	}
	assert_non_null(strstr(hear(f, fds[RPC_CONNECTIONS_MAX], buf, sizeof(buf)), "at most 512"));
	assert_string_equal(hear(f, fds[RPC_CONNECTIONS_MAX], buf, sizeof(buf)), "");
	ask(f, fds[0], VERSION, VERSION_ANSWER);
	for (i = 0; i <= RPC_CONNECTIONS_MAX; i++)
		close(fds[i]);
	turn(f);
	fds[0] = dial(f);
	ask(f, fds[0], VERSION, VERSION_ANSWER);
	close(fds[0]);
}

static void
no_descriptors(void **state)
{
	struct fixture *f = *state;
	struct rlimit before, none;
	int fd = dial(f);
	unsigned int i;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (i = 0; i < 10; i++)
		turn(f);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	ask(f, fd, VERSION, VERSION_ANSWER);
	close(fd);
}

static void
socket_file(void **state)
{
	struct fixture *f = *state;
	struct rpc_server *second = NULL;
	struct errmsg e = {""};
	struct stat st;
	char path[108];
	FILE *file;

	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(rpc_server_create(f->base, f->path, "", fake_dispatch, f, &second, &e),
			 -EADDRINUSE);
	assert_non_null(strstr(e.text, f->path));
	assert_int_equal(access(f->path, F_OK), 0);
	snprintf(path, sizeof(path), "%s/file", f->folder);
	file = fopen(path, "w");
	fclose(file);
	assert_int_equal(rpc_server_create(f->base, path, "", fake_dispatch, f, &second, &e),
			 -EEXIST);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(
		rpc_server_create(f->base, path, "no such group", fake_dispatch, f, &second, &e),
		-EINVAL);
	assert_non_null(strstr(e.text, "no such group"));
	assert_int_equal(
		rpc_server_create(f->base, "/nowhere/s", "", fake_dispatch, f, &second, &e),
		-ENOENT);
	snprintf(path, sizeof(path), "%s/grouped", f->folder);
	assert_int_equal(rpc_server_create(f->base, path, "0", fake_dispatch, f, &second, &e), 0);
	rpc_server_destroy(second);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(rpc_server_create(f->base, "/tmp/" LONG_NAME LONG_NAME, "", fake_dispatch,
					   f, &second, &e),
			 -ENAMETOOLONG);
	rpc_server_destroy(NULL);
}

static void
stale_socket(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct rpc_server *second = NULL;
	struct errmsg e = {""};
	int dead = socket(AF_UNIX, SOCK_STREAM, 0), fd;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/stale", f->folder);
	assert_int_equal(bind(dead, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(dead);
	assert_int_equal(
		rpc_server_create(f->base, addr.sun_path, "", fake_dispatch, f, &second, &e), 0);
	fd = try_connect(addr.sun_path);
	assert_true(fd >= 0);
	ask(f, fd, VERSION, VERSION_ANSWER);
	/* What took the name meanwhile is not removed at the end. */
	assert_int_equal(unlink(addr.sun_path), 0);
	dead = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(dead, (struct sockaddr *)&addr, sizeof(addr)), 0);
	rpc_server_destroy(second);
	assert_int_equal(access(addr.sun_path, F_OK), 0);
	unlink(addr.sun_path);
	close(dead);
	close(fd);
}

/* The answer to `shutdown` still goes out, and nobody waits long for a peer that does not read. */
static void
farewell(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f), lazy = dial(f);
	struct timespec start, end;
	char buf[256];
	unsigned int i;

	turn(f);
	say(f, lazy, "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"monitor\"}\n");
	say(f, fd, "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"monitor\"}\n");
	for (i = 0; i < 20; i++)
		turn(f);
	for (i = 0; i < 3000; i++) {
		json_t *event = json_pack("{s:i, s:s}", "event", i, "filler", f->big);

		if (i == 2999)
			hear(f, fd, buf, sizeof(buf));
		rpc_server_event(f->server, event);
		json_decref(event);
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	rpc_server_destroy(f->server);
	clock_gettime(CLOCK_MONOTONIC, &end);
	f->server = NULL;
	assert_true((end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000 <
		    1000);
	close(fd);
	close(lazy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(many_connections), TEST(too_many_connections), TEST(no_descriptors),
		TEST(socket_file),      TEST(stale_socket),         TEST(farewell),
	};

	prepare();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
