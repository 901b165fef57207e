/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "control/daemon.h"

/* The running state as JSON, in the shapes of the design's section 5. New references; NULL: out of
 * memory. Control thread. */
json_t *show_port(const struct daemon *d, const struct port *p);
json_t *show_uplink(const struct daemon *d, const struct uplink *u);
/* Appends p's static multicast and unicast entries, or all of its addresses, to the array. */
void show_maddr(const struct port *p, json_t *array);
void show_fdb(const struct port *p, json_t *array);
/* Rates are of the last full second. control/show_worker.c */
json_t *show_worker(const struct daemon *d, uint32_t worker);
