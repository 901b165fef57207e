/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "control/daemon.h"

/*
 * Makes p's filter anew from its settings and its guest's wishes (p->sync). count: count and log
 * what is refused, which is for the caller who brings new wishes. true: the filter changed. Control
 * thread.
 */
bool port_filter_make(struct port *p, bool count);

/*
 * The same for every port. An address is his who has it; the one who asks later is refused until it
 * is free. Called by publish().
 */
void port_filters_make(struct daemon *d);
