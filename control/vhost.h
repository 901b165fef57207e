/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config/errmsg.h"
#include "config/settings.h"

/*
 * vhost-user sockets by rte_vhost, and the hand-over from its thread to control.
 *
 * Thread-safety: rte_vhost calls back on its own thread ("vhost-events"). A callback puts a small
 * record into the mailbox and wakes control; the callback that ends a device also waits until
 * control has taken the device out of the view and the grace period is over, because the library
 * unmaps the guest's memory when it returns. The callback for a ring's state must not wait: the
 * library holds the ring locks there, on which a worker may spin. Everything declared here is for
 * the control thread.
 *
 * No deadlock: control never waits for the vhost thread except in rte_vhost_driver_unregister, and
 * vhost_unregister first releases, and from then on never makes wait, the callbacks of that socket.
 */
enum guest_event_kind {
	GUEST_CONNECTED,    /* a vhost-user peer is there; nothing runs yet */
	GUEST_READY,        /* the device runs: the first rings are usable */
	GUEST_RING,         /* .ring was enabled or disabled */
	GUEST_GONE,         /* the device stops: its memory goes when this is handled */
	GUEST_DISCONNECTED, /* the peer closed its connection */
};

struct guest_event {
	enum guest_event_kind kind;
	char path[SOCKET_PATH_SIZE]; /* of the socket: whose guest */
	int vid;
	uint16_t ring;
	bool enabled;
};

struct event_base;
struct vhost_mailbox;

/* Called on the control thread for each event, in order for each socket. */
typedef void (*guest_event_fn)(void *ctx, const struct guest_event *event);

/* One per process (rte_vhost's callbacks carry no context). 0, -ENOMEM, -EBUSY: there is one. */
int vhost_mailbox_create(struct event_base *base, guest_event_fn handler, void *ctx,
			 struct vhost_mailbox **mailbox);
void vhost_mailbox_destroy(struct vhost_mailbox *mailbox);

/*
 * Opens p's socket and starts to serve it. Server role: the path must be free, or a stale socket
 * that nobody listens on (which is removed); owner and mode are set before anyone can connect. 0;
 * -EADDRINUSE: somebody listens there; -EEXIST: a file that is no socket; -ENOENT: its folder does
 * not exist; -EINVAL: unknown user or group; -EIO: the library refused.
 */
int vhost_register(struct vhost_mailbox *mailbox, const struct port_settings *p, struct errmsg *e);

/* Ends it: releases waiting callbacks, disconnects the guest, removes a server's socket. */
void vhost_unregister(struct vhost_mailbox *mailbox, const char *path);

/* Negotiated facts of a running device, for `show`. */
struct guest_facts {
	uint64_t features;
	int numa_node;
	uint16_t rings;
};
void vhost_facts(int vid, struct guest_facts *facts);

/* A descriptor of our own (to be closed) that the guest makes readable when it kicks a ring; -1. */
int vhost_kick_fd(int vid, uint16_t ring);

/* Tells the guest not to kick us for this ring: workers poll. */
void vhost_disable_kicks(int vid, uint16_t ring);
