/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <sched.h>
#include <stdint.h>

/* What the machine offers. Control thread. */

/* CPUs that this process may run on, ascending; at most max. Returns how many. */
uint32_t machine_cpus(uint32_t *cpus, uint32_t max);

/* Bytes of free hugepages of every size. */
uint64_t machine_free_hugepages(void);

/* Lets this process's threads run on the CPUs of set, all but the n with these kernel ids. */
void machine_place_threads(const cpu_set_t *set, const int *except, uint32_t n);
