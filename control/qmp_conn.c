/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * The bytes of a monitor's connection: cuts the input into lines, parses each, and bounds what a
 * monitor can make the daemon hold (a line) and do (so many messages and bytes a second; what is
 * more stays in the socket). Opened by control/qmp_monitor.c, driven by libevent on the control
 * thread.
 */
#include <bsd/string.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/line.h"
#include "control/qmp.h"
#include "control/qmp_conn.h"

struct qmp_conn {
	struct qmp_conn_handler handler;
	struct bufferevent *bev;
	struct event *second; /* pending while messages and bytes count */
	unsigned int messages, messages_max;
	size_t bytes;
	size_t searched; /* bytes of the input known to be without a newline */
	bool paused;     /* until `second` is over */
};

/* Counts a message of len bytes; after one too many, reading pauses. */
static void
conn_count(struct qmp_conn *conn, size_t len)
{
	const struct timeval second = {.tv_sec = 1};

	if (!evtimer_pending(conn->second, NULL)) {
		conn->messages = 0;
		conn->bytes = 0;
		evtimer_add(conn->second, &second);
	}
	conn->messages++;
	conn->bytes += len;
	if (conn->messages < conn->messages_max && conn->bytes < QMP_BYTES_PER_SECOND)
		return;
	conn->paused = true;
	bufferevent_disable(conn->bev, EV_READ);
}

/* Takes a line of len bytes off the input. false: the connection is no more. */
static bool
conn_take_line(struct qmp_conn *conn, size_t len)
{
	struct evbuffer *input = bufferevent_get_input(conn->bev);
	const char *line = (const char *)evbuffer_pullup(input, (ssize_t)len + 1);
	bool blank, alive;
	json_t *message;

	if (line == NULL) {
		conn->handler.ended(conn->handler.ctx, true, "out of memory");
		return false;
	}
	blank = len == 0 || (len == 1 && line[0] == '\r');
	message = blank ? NULL : json_loadb(line, len, 0, NULL);
	evbuffer_drain(input, len + 1);
	conn->searched = 0;
	conn_count(conn, len + 1);
	if (blank)
		return true;
	if (message == NULL) {
		/* Not quoted: it may be anything. A human monitor (HMP) is the usual mistake. */
		conn->handler.ended(conn->handler.ctx, true,
				    "a line that is not JSON; is this a QMP monitor?");
		return false;
	}
	alive = conn->handler.message(conn->handler.ctx, message);
	json_decref(message);
	return alive;
}

static void
conn_take_lines(struct qmp_conn *conn)
{
	struct errmsg e;
	ssize_t len;

	while (!conn->paused) {
		len = line_find(bufferevent_get_input(conn->bev), &conn->searched);
		if (len > QMP_LINE_MAX || (len < 0 && conn->searched > QMP_LINE_MAX)) {
			err_set(&e, 0, "a line of more than %d bytes", QMP_LINE_MAX);
			conn->handler.ended(conn->handler.ctx, true, e.text);
			return;
		}
		if (len < 0 || !conn_take_line(conn, (size_t)len))
			return;
	}
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	(void)bev;
	conn_take_lines(arg);
}

static void
on_second_over(evutil_socket_t fd, short what, void *arg)
{
	struct qmp_conn *conn = arg;

	(void)fd;
	(void)what;
	if (!conn->paused)
		return;
	conn->paused = false;
	bufferevent_enable(conn->bev, EV_READ);
	conn_take_lines(conn); /* libevent reports only what comes from now on */
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct qmp_conn *conn = arg;
	struct errmsg e;

	if (!(what & BEV_EVENT_EOF))
		err_set(&e, 0, "the connection broke: %s",
			evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
	else if (evbuffer_get_length(bufferevent_get_input(bev)) > 0)
		err_set(&e, 0, "closed in the middle of a line");
	else
		err_set(&e, 0, "closed by QEMU");
	conn->handler.ended(conn->handler.ctx, evbuffer_get_length(bufferevent_get_input(bev)) > 0,
			    e.text);
}

static int
connect_to(const char *path, struct errmsg *e)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, err;

	if (strlcpy(addr.sun_path, path, sizeof(addr.sun_path)) >= sizeof(addr.sun_path))
		return err_set(e, -ENAMETOOLONG, "not a socket's path: too long");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(e, -errno, "no socket: %m");
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	err = -errno;
	close(fd);
	if (err == -EAGAIN)
		return err_set(e, err, "others wait there: another client uses this monitor");
	return err_set(e, err, "%s", strerror(-err));
}

int
qmp_conn_open(struct event_base *base, const char *path, unsigned int messages_per_second,
	      const struct qmp_conn_handler *handler, struct qmp_conn **conn, struct errmsg *e)
{
	int fd = connect_to(path, e);
	struct qmp_conn *c;

	if (fd < 0)
		return fd;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		goto no_memory;
	c->handler = *handler;
	c->messages_max = messages_per_second;
	c->second = evtimer_new(base, on_second_over, c);
	if (c->second == NULL)
		goto no_memory;
	c->bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (c->bev == NULL)
		goto no_memory;
	bufferevent_setcb(c->bev, on_read, NULL, on_event, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, QMP_LINE_MAX + 1);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	*conn = c;
	return 0;
no_memory:
	if (c != NULL && c->second != NULL)
		event_free(c->second);
	free(c);
	close(fd);
	return err_set(e, -ENOMEM, "out of memory");
}

int
qmp_conn_send(struct qmp_conn *conn, json_t *value)
{
	struct evbuffer *output = bufferevent_get_output(conn->bev);
	char *text = value == NULL ? NULL : json_dumps(value, JSON_COMPACT);
	size_t len;
	int ret = 0;

	json_decref(value);
	if (text == NULL)
		return -ENOMEM;
	len = strlen(text);
	text[len] = '\n'; /* in place of the NUL: one write, and no half of a line */
	if (evbuffer_get_length(output) + len + 1 > QMP_BACKLOG_MAX)
		ret = -ENOBUFS;
	else if (bufferevent_write(conn->bev, text, len + 1) != 0)
		ret = -ENOMEM;
	free(text);
	return ret;
}

bool
qmp_conn_has_input(struct qmp_conn *conn)
{
	int waiting = 0;

	return conn->paused || evbuffer_get_length(bufferevent_get_input(conn->bev)) > 0 ||
	       (ioctl(bufferevent_getfd(conn->bev), FIONREAD, &waiting) == 0 && waiting > 0);
}

void
qmp_conn_close(struct qmp_conn *conn)
{
	if (conn == NULL)
		return;
	event_free(conn->second);
	bufferevent_free(conn->bev);
	free(conn);
}
