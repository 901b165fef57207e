/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "config/settings.h"
#include "control/vhost.h"

/* The vhost mailbox's handler (guest_event_fn); ctx: the daemon. Control thread. */
void guest_on_event(void *ctx, const struct guest_event *event);

/* Closes a port's kick descriptors, which no view may have any more. */
void guest_close_kicks(int kicks[MAX_QUEUE_PAIRS]);
