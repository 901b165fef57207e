/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "control/vhost.h"

/* The vhost mailbox's handler (guest_event_fn); ctx: the daemon. Control thread. */
void guest_on_event(void *ctx, const struct guest_event *event);
