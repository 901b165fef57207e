/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * The kernel interface behind a driver such as net_af_packet or net_tap, whose PMD reports neither
 * its carrier nor a changed MTU. Asked by ioctl in our own network namespace. Control thread.
 */

/* 0 with *running (up and carrier) and *mtu in bytes; -ENODEV: no such interface (any more). */
int kernel_if_query(unsigned int if_index, bool *running, uint32_t *mtu);

/* Sets the MTU, for drivers that cannot. 0 or a negative errno, e.g. -EINVAL: out of its range. */
int kernel_if_set_mtu(unsigned int if_index, uint32_t mtu);
