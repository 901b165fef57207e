/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "control/daemon.h"

/* A port's addresses against its uplink's and other ports': the kernel's rules. Control thread. */

/*
 * Gives s a MAC if it has none: passthru takes the uplink's own, others get one that no port of the
 * uplink has.
 */
void port_mac_choose(const struct daemon *d, const struct uplink *u, struct port_settings *s);

/*
 * Who else on p's uplink has this unicast address now, by settings or by a guest's filter: a port's
 * name, "the uplink", or NULL: nobody.
 */
const char *port_mac_owner(const struct daemon *d, const struct port *p,
			   const struct mac_addr *mac);

/*
 * May a port with these settings have its addresses on u? 0; -EADDRINUSE: the MAC, or a unicast
 * maddr, is the uplink's own (macvlan_addr_busy), allowed only for passthru and the host's own
 * port, or another port, perhaps its guest, has it.
 */
int port_mac_check(const struct daemon *d, const struct uplink *u, const struct port_settings *s,
		   struct errmsg *e);
