/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <stdint.h>

/* What the machine offers, read before the EAL starts. Control thread. */

/* CPUs that this process may run on, ascending; at most max. Returns how many. */
uint32_t machine_cpus(uint32_t *cpus, uint32_t max);

/* Bytes of free hugepages of every size. */
uint64_t machine_free_hugepages(void);
