/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * One JSON-RPC call over the control socket, with lines of any length and a time limit; and the
 * lines that follow `monitor`. Called by main.c, and by the completion for the names.
 */
#include <bsd/string.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "control/macvctl/client.h"

#define READ_SIZE 65536
#define LINE_MAX_SIZE (256u << 20) /* more is no daemon of ours */

int
client_open(struct client *client, const char *path, struct errmsg *e)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int err;

	*client = (struct client){.fd = -1};
	if (strlcpy(addr.sun_path, path, sizeof(addr.sun_path)) >= sizeof(addr.sun_path))
		return err_set(e, -ENAMETOOLONG, "%s: too long for a socket's path", path);
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0)
		return err_set(e, -errno, "socket: %s", strerror(errno));
	if (connect(client->fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return 0;
	err = errno;
	client_close(client);
	return err_set(e, -err, "no daemon at %s: %s%s", path, strerror(err),
		       err == ENOENT || err == ECONNREFUSED ? "; is macvswitchd running?" : "");
}

static int
send_all(int fd, const char *data, size_t len, struct errmsg *e)
{
	ssize_t sent;

	while (len > 0) {
		sent = send(fd, data, len, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return err_set(e, -errno, "sending to the daemon: %s", strerror(errno));
		data += sent;
		len -= (size_t)sent;
	}
	return 0;
}

static long long
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Reads once into the buffer, which grows as needed. 0, or a negative errno. */
static int
read_more(struct client *client, int timeout_ms, struct errmsg *e)
{
	struct pollfd p = {.fd = client->fd, .events = POLLIN};
	ssize_t got;
	char *grown;
	int ready;

	if (client->size - client->used < READ_SIZE) {
		if (client->size > LINE_MAX_SIZE)
			return err_set(e, -EMSGSIZE, "the daemon's line does not end");
		grown = realloc(client->buf, client->size * 2 + READ_SIZE);
		if (grown == NULL)
			return err_set(e, -ENOMEM, "out of memory");
		client->buf = grown;
		client->size = client->size * 2 + READ_SIZE;
	}
	ready = poll(&p, 1, timeout_ms);
	if (ready == 0)
		return err_set(e, -ETIMEDOUT, "the daemon does not answer");
	if (ready < 0)
		return errno == EINTR ? 0 : err_set(e, -errno, "poll: %s", strerror(errno));
	got = read(client->fd, client->buf + client->used, client->size - client->used);
	if (got < 0)
		return errno == EINTR ? 0 : err_set(e, -errno, "reading: %s", strerror(errno));
	if (got == 0)
		return err_set(e, -ENODATA, "the daemon closed the connection");
	client->used += (size_t)got;
	return 0;
}

int
client_read_line(struct client *client, int timeout_ms, char **line, struct errmsg *e)
{
	long long end = now_ms() + timeout_ms, left = -1;
	size_t searched = 0;
	char *newline;
	int ret;

	if (client->line > 0)
		memmove(client->buf, client->buf + client->line, client->used - client->line);
	client->used -= client->line;
	client->line = 0;
	for (;;) {
		newline = client->used == searched
				  ? NULL
				  : memchr(client->buf + searched, '\n', client->used - searched);
		if (newline != NULL)
			break;
		searched = client->used;
		if (timeout_ms >= 0)
			left = end > now_ms() ? end - now_ms() : 0;
		ret = read_more(client, (int)left, e);
		if (ret != 0)
			return ret;
	}
	*newline = '\0';
	client->line = (size_t)(newline - client->buf) + 1;
	*line = client->buf;
	return 0;
}

static int
send_request(struct client *client, const char *method, json_t *params, struct errmsg *e)
{
	json_t *request = json_pack("{s:s, s:i, s:s, s:O}", "jsonrpc", "2.0", "id", 1, "method",
				    method, "params", params);
	char *text = json_dumps(request, JSON_COMPACT);
	int ret;

	json_decref(request);
	if (text == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	ret = send_all(client->fd, text, strlen(text), e);
	if (ret == 0)
		ret = send_all(client->fd, "\n", 1, e);
	free(text);
	return ret;
}

int
client_call(struct client *client, const char *method, json_t *params, int timeout_ms,
	    json_t **result, struct errmsg *e)
{
	struct errmsg sending;
	const char *reason;
	json_t *answer;
	char *line;
	int ret;

	/* Also when sending failed: a daemon that turns a client away says why and hangs up. */
	int sent = send_request(client, method, params, &sending);

	ret = client_read_line(client, timeout_ms, &line, e);
	if (ret != 0 && sent != 0)
		return err_set(e, sent, "%s", sending.text);
	if (ret != 0)
		return ret;
	answer = json_loads(line, 0, NULL);
	reason = json_string_value(json_object_get(json_object_get(answer, "error"), "message"));
	*result = json_incref(json_object_get(answer, "result"));
	if (reason != NULL)
		ret = err_set(e, -EREMOTE, "%s", reason);
	else if (*result == NULL)
		ret = err_set(e, -EPROTO, "the answer is not JSON-RPC; is this macvswitchd?");
	json_decref(answer);
	return ret;
}

void
client_close(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	free(client->buf);
	*client = (struct client){.fd = -1};
}
