/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "control/daemon.h"

/* What happens to uplinks by themselves. Control thread. */

/*
 * Timer: follows link and MTU of every NIC, uplink or port; resets a device that asks for it and
 * gives it back all its filters; judges flow rules. Publishes and tells what changed.
 */
void uplinks_follow(struct daemon *d);

/*
 * steer_traffic_fn; ctx: the daemon. Zero for ports that have addresses without a rule: what is
 * looked up for those says nothing of the rules.
 */
void uplink_traffic(void *ctx, uint16_t port, uint64_t *own_queue, uint64_t *looked_up);
