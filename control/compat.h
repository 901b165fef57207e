/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <rte_version.h>
#include <rte_vhost.h>

/* What differs between the DPDK releases that we build on (22.11 to 26.x), and nothing else. */

/* How many queue pairs a guest may ask for. Before 23.07 the library offers its own maximum. */
static inline int
compat_vhost_set_max_queues(const char *path, uint32_t pairs)
{
#if RTE_VERSION >= RTE_VERSION_NUM(23, 7, 0, 0)
	return rte_vhost_driver_set_max_queue_num(path, pairs);
#else
	(void)path;
	(void)pairs;
	return 0;
#endif
}
