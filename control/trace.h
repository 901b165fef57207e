/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "control/daemon.h"

/*
 * `macvctl trace`: what would happen to a frame, said by the function that the workers run, on the
 * view that they use. params: from (a port or an uplink), src, dst, and optionally vlan and type.
 * 0 with *result; -ENOENT: no such port or uplink; -EINVAL: a bad address, VLAN id or type;
 * -ENOTCONN: the port has no running guest, so it sends nothing. Control thread.
 */
int trace(const struct daemon *d, const json_t *params, json_t **result, struct errmsg *e);
