/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "control/daemon.h"

/* A port's life. Control thread. On error nothing has changed and *e names the culprit. */

/*
 * Adds a port with a socket or a device. Without a MAC it gets a locally administered one made from
 * machine id, uplink and name, so that it is the same after a restart (passthru: the uplink's own).
 * 0; -EEXIST: name, socket or device in use; -EADDRINUSE: the MAC is; -ENOENT: no such uplink;
 * -EINVAL; -ENOSPC: MAX_PORTS; the errors of vhost_register and nic_open.
 */
int port_add(struct daemon *d, const struct port_settings *s, struct errmsg *e);

/*
 * Brings p to s while frames flow; name, uplink, socket and device stay. 0; -EPERM: mode from or to
 * passthru (as macvlan_changelink); -EADDRINUSE, -EINVAL as for port_add.
 */
int port_set(struct daemon *d, struct port *p, const struct port_settings *s, struct errmsg *e);

/* One port and what it is to become; after port_set_many: what it was. */
struct port_change {
	struct port *port;
	struct port_settings wanted;
};

/* The same for several ports as one change, so that two may swap their addresses. All or nothing.
 */
int port_set_many(struct daemon *d, struct port_change *changes, uint32_t n, struct errmsg *e);

/* Disconnects the guest and forgets the port; what it counted moves to its uplink. */
void port_del(struct daemon *d, struct port *p);

/* What events say of a port: {uplink, mode, mac}. A new reference. */
json_t *port_facts(const struct port *p);
