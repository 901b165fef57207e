/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <jansson.h>

#include "config/errmsg.h"

/* The client's end of the control socket. */

#define CLIENT_TIMEOUT_MS 60000

struct client {
	int fd;
	char *buf;   /* what was read, owned */
	size_t size; /* of buf */
	size_t used; /* bytes of buf that hold data */
	size_t line; /* length of the line last returned, with its newline; dropped next time */
};

/* 0, or a negative errno with *e saying who does not answer. Ended by client_close. */
int client_open(struct client *client, const char *path, struct errmsg *e);

/*
 * Calls method. 0 with *result (new reference); -EREMOTE: the daemon refused, *e is its reason;
 * another negative errno: there is no (sane) daemon.
 */
int client_call(struct client *client, const char *method, json_t *params, int timeout_ms,
		json_t **result, struct errmsg *e);

/*
 * The next line without its newline, valid until the next call; timeout_ms -1 waits forever.
 * 0; -ENODATA: the end; -ETIMEDOUT; another negative errno.
 */
int client_read_line(struct client *client, int timeout_ms, char **line, struct errmsg *e);

void client_close(struct client *client);
