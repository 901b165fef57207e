/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "control/daemon.h"

/*
 * The only writer of the view. After any change of ports, uplinks, filters or guests: brings each
 * NIC's filter to what the ports now want, makes a new view of the whole and publishes it. When it
 * returns, no worker uses the former view any more. Nothing of a port that did not change is
 * disturbed. 0; -ENOMEM: the former view stays. Control thread.
 */
int publish(struct daemon *d);

/* Which descriptor wakes a worker that polls this queue of a view; ctx: the daemon's context. */
int publish_wake_fd(void *ctx, const struct view_poll *poll);
