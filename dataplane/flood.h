/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "dataplane/worker.h"

/*
 * What keeps one guest's broadcast from holding up everybody's unicast: as long as a worker has
 * unicast to forward, each source of flooded frames gets a share of the worker's time (the key
 * flood_share of its uplink), and is looked at for few frames at a time. Who floods while nothing
 * else is to do is not limited. The rate is of time, not of frames: a copy of a large frame, or to
 * many ports, costs more.
 *
 * Called by the worker whose burst it is.
 */

/* May n frames with so many copies each go out? false: they are beyond the share. */
bool flood_admit(struct worker *w, const struct poll_state *source, uint16_t n, uint32_t copies);

/* The burst is done: what its floods cost is charged to the source. */
void flood_settle(struct worker *w, struct poll_state *source);
