/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <jansson.h>

#include "config/errmsg.h"

/*
 * The control socket: JSON-RPC 2.0, one object a line, any number of requests a connection, in
 * order. All on the control thread, in its event loop. What comes in is never trusted: a line of
 * more than RPC_LINE_MAX bytes, or a peer that does not read its answers until RPC_BACKLOG_MAX
 * bytes wait, closes that connection with a reason (JSON-RPC error where one can still be sent).
 * At most RPC_CONNECTIONS_MAX connections; one more gets an error line and is closed. Without free
 * file descriptors, listening pauses and is tried again.
 */

#define RPC_LINE_MAX (1024 * 1024)
#define RPC_BACKLOG_MAX (16 * 1024 * 1024)
#define RPC_CONNECTIONS_MAX 512

struct event_base;
struct rpc_server;

/*
 * Runs one command. method: "port.add"; params: an object whose members are known to the command
 * table, required ones present (borrowed). 0 with *result a new reference (NULL means {}), or a
 * negative errno with *e filled; it is sent as JSON-RPC error code -32000 with data {"errno":
 * "EINVAL"}. It may call rpc_server_event, but must not call rpc_server_destroy.
 */
typedef int (*rpc_dispatch_fn)(void *ctx, const char *method, const json_t *params, json_t **result,
			       struct errmsg *e);

/*
 * Listens on path, mode 0660, group as named ("" leaves it), both set before anyone can connect.
 * A socket file that nobody listens on is replaced; -EADDRINUSE: another process answers on it;
 * -ENAMETOOLONG, -ENOENT (folder missing; one directly below /run is made), -EEXIST (a file that is
 * not a socket), -EINVAL (unknown group), -EPERM, -EACCES, -ENOMEM: *e says so. `monitor` requests
 * are served here: the connection then gets each event. SIGPIPE is ignored from here on. The umask
 * changes for a moment: no other thread may be creating files.
 */
int rpc_server_create(struct event_base *base, const char *path, const char *group,
		      rpc_dispatch_fn dispatch, void *ctx, struct rpc_server **server,
		      struct errmsg *e);

/* Sends event (borrowed, an object) to every monitor as one line. A monitor that lags is closed. */
void rpc_server_event(struct rpc_server *server, const json_t *event);

/*
 * Sends what is waiting (for up to 200 ms), closes all, and removes the socket file if it is still
 * the one that was made here. Not from within a dispatch. NULL is allowed.
 */
void rpc_server_destroy(struct rpc_server *server);
