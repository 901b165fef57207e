/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "control/daemon.h"

/*
 * The daemon's end of the command table: one handler for each row of control/command_table.c that
 * the RPC server does not serve itself (monitor). rpc_dispatch_fn; ctx: the daemon. Control thread.
 */
int commands_dispatch(void *ctx, const char *method, const json_t *params, json_t **result,
		      struct errmsg *e);

/* Is there a handler for the method? For the test that holds this against the command table. */
bool commands_has(const char *method);
