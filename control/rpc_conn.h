/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stddef.h>

#include "control/rpc_server.h"

/*
 * One peer of the control socket: lines in, lines out. Control thread, in the event loop.
 */

struct rpc_conn;
struct bufferevent;
struct event;
struct timespec;

/* What a connection needs of the server; outlives it. */
struct rpc_conn_owner {
	struct event_base *base;
	rpc_dispatch_fn dispatch;
	void *ctx;
	/* The connection is at its end: take it off the list and call rpc_conn_destroy. Never
	 * called from within rpc_conn_send. */
	void (*closed)(struct rpc_conn_owner *owner, struct rpc_conn *conn);
};

enum rpc_conn_state {
	CONN_OPEN,
	CONN_ENDING, /* no more requests: what waits is sent, what comes in is thrown away */
	CONN_DOOMED, /* its peer does not read: closed from the event loop, unsent */
};

struct rpc_conn {
	TAILQ_ENTRY(rpc_conn) next; /* the server's list */
	struct rpc_conn_owner *owner;
	struct bufferevent *bev;
	struct event *timer; /* the end of CONN_ENDING at the latest */
	enum rpc_conn_state state;
	bool peer_done;  /* the peer sends nothing more */
	bool monitor;    /* gets events */
	size_t searched; /* bytes of the input known to be without a newline */
};

/* Takes fd over. NULL: no memory, fd is closed. */
struct rpc_conn *rpc_conn_create(struct rpc_conn_owner *owner, int fd);

/* Queues len bytes; more than RPC_BACKLOG_MAX waiting bytes are the connection's end. */
void rpc_conn_send(struct rpc_conn *conn, const char *data, size_t len);

/* Waits until (CLOCK_MONOTONIC) for what is queued to be taken. Only before rpc_conn_destroy. */
void rpc_conn_flush(struct rpc_conn *conn, const struct timespec *until);

void rpc_conn_destroy(struct rpc_conn *conn);
