/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <sys/types.h>

#include "config/errmsg.h"

/* A listening unix socket and the file that is its name. */
struct rpc_socket {
	int fd; /* non-blocking, close-on-exec; owned by whoever called rpc_socket_open */
	char path[108];
	dev_t dev; /* of the file, so that another process' later file is not removed */
	ino_t ino;
};

/*
 * Binds path, sets group ("" leaves it) and mode 0660, then listens. Errors as in
 * rpc_server_create (control/rpc_server.h); nothing is left behind on error.
 */
int rpc_socket_open(struct rpc_socket *s, const char *path, const char *group, int backlog,
		    struct errmsg *e);

/* Removes the file if it still is the one that was bound. Does not close fd. */
void rpc_socket_unlink(const struct rpc_socket *s);
