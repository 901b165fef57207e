/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Opens and closes vhost-user sockets: what rte_vhost leaves to its user, that is stale socket
 * files, owner and mode, and which features a guest may negotiate. Control thread, called by
 * port.c.
 */
#include <errno.h>
#include <linux/virtio_net.h>
#include <rte_vhost.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/compat.h"
#include "control/offloads.h"
#include "control/socket_file.h"
#include "control/vhost_internal.h"

#define SOCKET_MODE 0660

static int
set_features(const struct port_settings *p)
{
	/* Not offered, so that the guest sends complete checksums and frames of MTU size (virtio
	 * 1.1, 5.1.3). */
	uint64_t off = offloads_withheld(p->offloads);

	if (p->queues == 1)
		off |= UINT64_C(1) << VIRTIO_NET_F_MQ;
	if (rte_vhost_driver_disable_features(p->socket, off) != 0 ||
	    rte_vhost_driver_callback_register(p->socket, vhost_callbacks()) != 0)
		return -EIO;
	compat_vhost_set_max_queues(p->socket, p->queues);
	return 0;
}

/*
 * bind(2) happens inside the library. Under this mask the new socket has mode 0600, so until owner
 * and mode are set, in this order, nobody but root and then the owner can connect.
 */
static int
start_server(const struct port_settings *p, uid_t uid, gid_t gid, struct errmsg *e)
{
	mode_t old = umask(0177);
	int err = rte_vhost_driver_start(p->socket);

	umask(old);
	if (err != 0)
		return err_set(e, -EIO, "socket: '%s' cannot be opened: %m", p->socket);
	if (p->socket_owner[0] != '\0' && chown(p->socket, uid, gid) != 0)
		return err_set(e, -errno, "socket_owner: '%s': %m", p->socket_owner);
	if (chmod(p->socket, SOCKET_MODE) != 0)
		return err_set(e, -errno, "socket: '%s': %m", p->socket);
	return 0;
}

int
vhost_register(struct vhost_mailbox *mailbox, const struct port_settings *p, struct errmsg *e)
{
	uint64_t flags = RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS; /* dataplane/offload.h */
	bool server = p->socket_role == ROLE_SERVER;
	uid_t uid;
	gid_t gid;
	struct errmsg why;
	int err = socket_file_folder(p->socket, &why);

	if (err == 0 && server)
		err = socket_file_clear(p->socket, &why);
	if (err == 0)
		err = socket_file_owner("socket_owner", p->socket_owner, &uid, &gid, &why);
	if (err != 0)
		return err_set(e, err, "port %s: %s", p->name, why.text);
	if (!server)
		flags |= RTE_VHOST_USER_CLIENT;
	if (rte_vhost_driver_register(p->socket, flags) != 0)
		return err_set(e, -EIO, "port %s: socket '%s' was refused by the vhost library",
			       p->name, p->socket);
	if (set_features(p) != 0)
		err = err_set(e, -EIO, "socket: '%s': the vhost library refused the features",
			      p->socket);
	else if (server)
		err = start_server(p, uid, gid, e);
	else if (rte_vhost_driver_start(p->socket) != 0)
		err = err_set(e, -EIO, "socket: '%s' cannot be used: %m", p->socket);
	if (err != 0)
		vhost_unregister(mailbox, p->socket);
	return err;
}

void
vhost_unregister(struct vhost_mailbox *mailbox, const char *path)
{
	vhost_mailbox_close(mailbox, path);
	rte_vhost_driver_unregister(path);
	vhost_mailbox_closed(mailbox);
}
