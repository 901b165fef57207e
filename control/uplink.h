/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "control/daemon.h"

/* An uplink's life. Control thread. On error nothing has changed and *e names the culprit. */

/* 0; -EEXIST: the name or device is in use; -ENOSPC: MAX_UPLINKS; nic_open's and the checks'
 * errors. */
int uplink_add(struct daemon *d, const struct uplink_settings *s, struct errmsg *e);

/* Changes mtu and hairpin to those of s. 0, or nic_set_mtu's errors. */
int uplink_set(struct daemon *d, struct uplink *u, const struct uplink_settings *s,
	       struct errmsg *e);

/* 0; -EBUSY: it still has ports, which the text names. */
int uplink_del(struct daemon *d, struct uplink *u, struct errmsg *e);

/* What nic_open and nic_reset are to be given for an uplink with these settings. */
struct nic_wants uplink_wants(const struct daemon *d, const struct uplink_settings *s);
