/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "control/nic.h"

/* Between nic.c and nic_start.c. Control thread. */

/*
 * Chooses queues, makes the buffers (once), configures and starts the device, with queues for ports
 * if wants has them and they prove useful. 0, or an error as nic_open has them.
 */
int nic_start(struct nic *nic, const struct nic_wants *wants, const struct rte_eth_dev_info *info,
	      struct errmsg *e);

/* The same after a reset, with the queues that it had. */
int nic_restart(struct nic *nic, const struct nic_wants *wants, const struct rte_eth_dev_info *info,
		struct errmsg *e);
