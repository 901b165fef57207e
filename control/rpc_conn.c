/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * A connection to the control socket: cuts the input into lines, has each run as a request, queues
 * the answers, and bounds what a peer can make the daemon hold (one line in, a backlog out).
 * Created by the RPC server, called by libevent on the control thread.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "control/line.h"
#include "control/rpc_conn.h"
#include "control/rpc_request.h"

/* How long a peer has to take its last answers, and to stop sending after a refused line. */
#define LINGER_SECONDS 5

static void
conn_send_json(struct rpc_conn *conn, json_t *answer)
{
	char *text;

	if (answer == NULL)
		return;
	text = json_dumps(answer, JSON_COMPACT);
	json_decref(answer);
	if (text == NULL)
		return;
	rpc_conn_send(conn, text, strlen(text));
	rpc_conn_send(conn, "\n", 1);
	free(text);
}

/* No more requests are run; the connection closes when its output is sent, or the timer ends. */
static void
conn_end(struct rpc_conn *conn)
{
	const struct timeval linger = {.tv_sec = LINGER_SECONDS};

	if (conn->state != CONN_OPEN)
		return;
	conn->state = CONN_ENDING;
	conn->monitor = false;
	evtimer_add(conn->timer, &linger);
}

static void
conn_run_line(struct rpc_conn *conn, size_t len)
{
	struct evbuffer *input = bufferevent_get_input(conn->bev);
	const char *line = (const char *)evbuffer_pullup(input, len);
	bool monitor = false;

	if (len == 0 || (len == 1 && line != NULL && line[0] == '\r'))
		return; /* an empty line is no request */
	if (line == NULL) {
		conn_send_json(conn, rpc_error(NULL, RPC_INTERNAL_ERROR, "out of memory"));
		return;
	}
	conn_send_json(conn, rpc_request_run(line, len, conn->owner->dispatch, conn->owner->ctx,
					     &monitor));
	/* Only now, so that the answer comes before the first event. */
	if (monitor && conn->state == CONN_OPEN)
		conn->monitor = true;
}

static void
conn_line_too_long(struct rpc_conn *conn)
{
	struct errmsg e;

	err_set(&e, 0, "a line of more than %d bytes; that is the limit of a request",
		RPC_LINE_MAX);
	conn_send_json(conn, rpc_error(NULL, RPC_INVALID_REQUEST, e.text));
	conn_end(conn);
}

/* Once all is sent: says so to a peer that is still sending, or closes. May free conn. */
static void
conn_sent(struct rpc_conn *conn)
{
	if (conn->state != CONN_ENDING ||
	    evbuffer_get_length(bufferevent_get_output(conn->bev)) > 0)
		return;
	if (conn->peer_done)
		conn->owner->closed(conn->owner, conn);
	else /* not close(): a peer amid its long line would get EPIPE before the answer */
		shutdown(bufferevent_getfd(conn->bev), SHUT_WR);
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *input = bufferevent_get_input(bev);
	struct rpc_conn *conn = arg;
	ssize_t len;

	while (conn->state == CONN_OPEN) {
		len = line_find(bufferevent_get_input(conn->bev), &conn->searched);
		if (len > RPC_LINE_MAX || (len < 0 && conn->searched > RPC_LINE_MAX)) {
			conn_line_too_long(conn);
			break;
		}
		if (len < 0)
			return;
		conn_run_line(conn, (size_t)len);
		evbuffer_drain(input, (size_t)len + 1);
		conn->searched = 0;
	}
	evbuffer_drain(input, evbuffer_get_length(input));
}

static void
on_written(struct bufferevent *bev, void *arg)
{
	(void)bev;
	conn_sent(arg);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct evbuffer *input = bufferevent_get_input(bev);
	struct rpc_conn *conn = arg;
	size_t rest = evbuffer_get_length(input);

	if (!(what & BEV_EVENT_EOF) || conn->monitor || conn->state == CONN_DOOMED) {
		conn->owner->closed(conn->owner, conn);
		return;
	}
	/* `printf '{...}' | nc -N -U`: no newline, but a whole request, and answers still wanted */
	if (conn->state == CONN_OPEN && rest > 0) {
		conn_run_line(conn, rest);
		evbuffer_drain(input, rest);
	}
	conn->peer_done = true;
	conn_end(conn);
	conn_sent(conn);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct rpc_conn *conn = arg;

	(void)fd;
	(void)what;
	conn->owner->closed(conn->owner, conn);
}

struct rpc_conn *
rpc_conn_create(struct rpc_conn_owner *owner, int fd)
{
	struct rpc_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL)
		goto no_memory;
	conn->owner = owner;
	conn->timer = evtimer_new(owner->base, on_timer, conn);
	if (conn->timer == NULL)
		goto no_memory;
	conn->bev = bufferevent_socket_new(owner->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (conn->bev == NULL)
		goto no_memory;
	bufferevent_setcb(conn->bev, on_read, on_written, on_event, conn);
	bufferevent_setwatermark(conn->bev, EV_READ, 0, RPC_LINE_MAX + 1);
	bufferevent_enable(conn->bev, EV_READ | EV_WRITE);
	return conn;
no_memory:
	if (conn != NULL && conn->timer != NULL)
		event_free(conn->timer);
	free(conn);
	close(fd);
	return NULL;
}

void
rpc_conn_send(struct rpc_conn *conn, const char *data, size_t len)
{
	size_t waiting = evbuffer_get_length(bufferevent_get_output(conn->bev));
	const struct timeval now = {0};

	if (conn->state == CONN_DOOMED)
		return;
	if (waiting + len <= RPC_BACKLOG_MAX && bufferevent_write(conn->bev, data, len) == 0)
		return;
	/* Its callers may be amid the list of connections, so the event loop does the closing. */
	conn->state = CONN_DOOMED;
	conn->monitor = false;
	bufferevent_disable(conn->bev, EV_READ | EV_WRITE);
	evtimer_add(conn->timer, &now);
}

static int
milliseconds_until(const struct timespec *end)
{
	struct timespec now;
	long long left;

	clock_gettime(CLOCK_MONOTONIC, &now);
	left = (end->tv_sec - now.tv_sec) * 1000LL + (end->tv_nsec - now.tv_nsec) / 1000000;
	return left < 0 ? 0 : (int)left;
}

void
rpc_conn_flush(struct rpc_conn *conn, const struct timespec *until)
{
	struct evbuffer *output = bufferevent_get_output(conn->bev);
	struct pollfd p = {.fd = bufferevent_getfd(conn->bev), .events = POLLOUT};

	bufferevent_disable(conn->bev, EV_READ | EV_WRITE);
	evbuffer_unfreeze(output,
			  1); /* a bufferevent locks its output against writers but itself */
	while (evbuffer_get_length(output) > 0) {
		if (poll(&p, 1, milliseconds_until(until)) <= 0 ||
		    evbuffer_write(output, p.fd) <= 0)
			break;
	}
}

void
rpc_conn_destroy(struct rpc_conn *conn)
{
	event_free(conn->timer);
	bufferevent_free(conn->bev);
	free(conn);
}
