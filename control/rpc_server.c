/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * The control socket's server: takes connections, keeps their list, and hands events to those that
 * monitor. Lines are control/rpc_conn.c's matter, requests control/rpc_request.c's. Made and ended
 * by the daemon's main, fed with events by the handlers; all on the control thread.
 */
#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "control/rpc_conn.h"
#include "control/rpc_request.h"
#include "control/rpc_server.h"
#include "control/rpc_socket.h"

#define FLUSH_MS 200
#define ACCEPT_RETRY_MS 100

TAILQ_HEAD(rpc_conn_list, rpc_conn);

struct rpc_server {
	struct rpc_conn_owner owner; /* first: what a connection gets back in `closed` */
	struct rpc_socket socket;
	struct evconnlistener *listener;
	struct event *retry; /* takes up listening again after file descriptors ran out */
	struct rpc_conn_list conns;
	unsigned int n_conns;
};

static void
on_closed(struct rpc_conn_owner *owner, struct rpc_conn *conn)
{
	struct rpc_server *server = (struct rpc_server *)owner;

	TAILQ_REMOVE(&server->conns, conn, next);
	server->n_conns--;
	rpc_conn_destroy(conn);
}

/* One connection too many: told so as far as the socket takes it at once, and closed. */
static void
turn_away(int fd)
{
	json_t *answer;
	struct errmsg e;
	char *text;

	err_set(&e, 0, "too many connections; at most %d are served", RPC_CONNECTIONS_MAX);
	answer = rpc_error(NULL, RPC_REFUSED, e.text);
	text = json_dumps(answer, JSON_COMPACT);
	json_decref(answer);
	if (text != NULL && send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		send(fd, "\n", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	free(text);
	close(fd);
}

static void
on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *addr, int len,
	  void *arg)
{
	struct rpc_server *server = arg;
	struct rpc_conn *conn;

	(void)listener;
	(void)addr;
	(void)len;
	if (server->n_conns >= RPC_CONNECTIONS_MAX) {
		turn_away(fd);
		return;
	}
	conn = rpc_conn_create(&server->owner, fd);
	if (conn == NULL)
		return;
	TAILQ_INSERT_TAIL(&server->conns, conn, next);
	server->n_conns++;
}

/*
 * Most likely EMFILE. The waiting connection keeps the socket readable, so going on would spin:
 * pause instead, until descriptors have come back.
 */
static void
on_accept_error(struct evconnlistener *listener, void *arg)
{
	const struct timeval pause = {.tv_usec = ACCEPT_RETRY_MS * 1000};
	struct rpc_server *server = arg;

	evconnlistener_disable(listener);
	evtimer_add(server->retry, &pause);
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct rpc_server *server = arg;

	(void)fd;
	(void)what;
	evconnlistener_enable(server->listener);
}

/* A peer that hung up is an error of write(2), not the daemon's death. */
static void
ignore_sigpipe(void)
{
	struct sigaction now;

	if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN);
}

int
rpc_server_create(struct event_base *base, const char *path, const char *group,
		  rpc_dispatch_fn dispatch, void *ctx, struct rpc_server **server, struct errmsg *e)
{
	struct rpc_server *s = calloc(1, sizeof(*s));
	int ret;

	if (s == NULL)
		return err_set(e, -ENOMEM, "%s: out of memory", path);
	s->owner = (struct rpc_conn_owner){
		.base = base, .dispatch = dispatch, .ctx = ctx, .closed = on_closed};
	s->socket.fd = -1;
	TAILQ_INIT(&s->conns);
	ignore_sigpipe();
	s->retry = evtimer_new(base, on_retry, s);
	if (s->retry == NULL) {
		ret = err_set(e, -ENOMEM, "%s: out of memory", path);
		goto fail;
	}
	ret = rpc_socket_open(&s->socket, path, group, RPC_CONNECTIONS_MAX, e);
	if (ret != 0)
		goto fail;
	/* Backlog 0: it listens already. */
	s->listener = evconnlistener_new(
		base, on_accept, s, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, s->socket.fd);
	if (s->listener == NULL) {
		close(s->socket.fd);
		ret = err_set(e, -ENOMEM, "%s: out of memory", path);
		goto fail;
	}
	evconnlistener_set_error_cb(s->listener, on_accept_error);
	*server = s;
	return 0;
fail:
	rpc_server_destroy(s);
	return ret;
}

void
rpc_server_event(struct rpc_server *server, const json_t *event)
{
	struct rpc_conn *conn;
	char *text = NULL;

	TAILQ_FOREACH (conn, &server->conns, next) {
		if (!conn->monitor)
			continue;
		if (text == NULL)
			text = json_dumps(event, JSON_COMPACT);
		if (text == NULL)
			return;
		rpc_conn_send(conn, text, strlen(text));
		rpc_conn_send(conn, "\n", 1);
	}
	free(text);
}

void
rpc_server_destroy(struct rpc_server *server)
{
	struct rpc_conn *conn, *following;
	struct timespec end;

	if (server == NULL)
		return;
	if (server->listener != NULL)
		evconnlistener_free(server->listener);
	rpc_socket_unlink(&server->socket);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_nsec += FLUSH_MS * 1000000L; /* may pass a second, which only differences see */
	TAILQ_FOREACH_SAFE (conn, &server->conns, next, following) {
		rpc_conn_flush(conn, &end);
		TAILQ_REMOVE(&server->conns, conn, next);
		rpc_conn_destroy(conn);
	}
	if (server->retry != NULL)
		event_free(server->retry);
	free(server);
}
