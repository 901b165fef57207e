/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "control/nic.h"

/*
 * The descriptors that become readable when the device has frames: an event of the driver's for
 * each queue (receive interrupts), or its packet sockets. Fills nic->wake_fds; -1 where there is
 * none, which a note says. They are the driver's: valid until the device is stopped. Call it after
 * each start. Control thread.
 */
void nic_wake_find(struct nic *nic);
