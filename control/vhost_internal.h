/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "control/vhost.h"

/* Between vhost.c (mailbox, callbacks) and vhost_socket.c (sockets). Control thread. */

struct rte_vhost_device_ops;
const struct rte_vhost_device_ops *vhost_callbacks(void);

/* From here on no callback for path waits for control; those that do now are released. */
void vhost_mailbox_close(struct vhost_mailbox *mailbox, const char *path);
/* The socket is gone: its path may be used again. */
void vhost_mailbox_closed(struct vhost_mailbox *mailbox);
