/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Opens and closes vhost-user sockets: what rte_vhost leaves to its user, that is stale socket
 * files, owner and mode, and which features a guest may negotiate. Control thread, called by
 * port.c.
 */
#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/virtio_net.h>
#include <pwd.h>
#include <rte_vhost.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/compat.h"
#include "control/vhost_internal.h"

/*
 * Offloads that the dataplane does not do yet. Off means never offered, so that guests send
 * complete checksums and frames of MTU size (virtio 1.1, 5.1.3).
 */
#define OFFLOAD_FEATURES                                                                   \
	(UINT64_C(1) << VIRTIO_NET_F_CSUM | UINT64_C(1) << VIRTIO_NET_F_GUEST_CSUM |       \
	 UINT64_C(1) << VIRTIO_NET_F_GUEST_TSO4 | UINT64_C(1) << VIRTIO_NET_F_GUEST_TSO6 | \
	 UINT64_C(1) << VIRTIO_NET_F_GUEST_ECN | UINT64_C(1) << VIRTIO_NET_F_GUEST_UFO |   \
	 UINT64_C(1) << VIRTIO_NET_F_HOST_TSO4 | UINT64_C(1) << VIRTIO_NET_F_HOST_TSO6 |   \
	 UINT64_C(1) << VIRTIO_NET_F_HOST_ECN | UINT64_C(1) << VIRTIO_NET_F_HOST_UFO)

#define SOCKET_MODE 0660

/* 0: nobody listens; -EADDRINUSE: somebody does; else why that cannot be said. */
static int
ask_whether_alive(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	strlcpy(un.sun_path, path, sizeof(un.sun_path));
	if (connect(fd, (const struct sockaddr *)&un, sizeof(un)) == 0)
		err = -EADDRINUSE;
	else if (errno != ECONNREFUSED)
		err = errno == EAGAIN ? -EADDRINUSE : -errno; /* EAGAIN: a full backlog */
	close(fd);
	return err;
}

static int
check_folder(const char *path, struct errmsg *e)
{
	char folder[SOCKET_PATH_SIZE];
	char *slash;
	struct stat st;

	strlcpy(folder, path, sizeof(folder));
	slash = strrchr(folder, '/');
	if (slash == NULL || slash == folder)
		return 0;
	*slash = '\0';
	if (stat(folder, &st) != 0)
		return err_set(e, -errno, "socket: folder '%s' does not exist", folder);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, -ENOTDIR, "socket: '%s' is not a folder", folder);
	return 0;
}

/* Makes room for our socket at path, if what is there is a dead one's. */
static int
clear_stale(const char *path, struct errmsg *e)
{
	struct stat st;
	int err;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : err_set(e, -errno, "socket: %s: %m", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, -EEXIST, "socket: '%s' exists and is not a socket", path);
	err = ask_whether_alive(path);
	if (err == -EADDRINUSE)
		return err_set(e, err, "socket: another process listens on '%s'", path);
	if (err != 0 && err != -ENOENT)
		return err_set(e, err, "socket: '%s': %s", path, strerror(-err));
	if (unlink(path) != 0 && errno != ENOENT)
		return err_set(e, -errno, "socket: '%s' is stale and cannot be removed: %m", path);
	return 0;
}

/* "user", "user:group" or ":group", each by name or number. */
static int
find_owner(const char *text, uid_t *uid, gid_t *gid, struct errmsg *e)
{
	char user[2 * NAME_SIZE];
	char *group, *end;

	*uid = (uid_t)-1;
	*gid = (gid_t)-1;
	strlcpy(user, text, sizeof(user));
	group = strchr(user, ':');
	if (group != NULL)
		*group++ = '\0';
	if (user[0] != '\0') {
		const struct passwd *pw = getpwnam(user);

		*uid = pw != NULL ? pw->pw_uid : (uid_t)strtoul(user, &end, 10);
		if (pw == NULL && *end != '\0')
			return err_set(e, -EINVAL, "socket_owner: there is no user '%s'", user);
	}
	if (group != NULL && group[0] != '\0') {
		const struct group *gr = getgrnam(group);

		*gid = gr != NULL ? gr->gr_gid : (gid_t)strtoul(group, &end, 10);
		if (gr == NULL && *end != '\0')
			return err_set(e, -EINVAL, "socket_owner: there is no group '%s'", group);
	}
	return 0;
}

static int
set_features(const struct port_settings *p)
{
	uint64_t off = OFFLOAD_FEATURES;

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
	uint64_t flags = RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS;
	bool server = p->socket_role == ROLE_SERVER;
	uid_t uid;
	gid_t gid;
	int err = check_folder(p->socket, e);

	if (err == 0 && server)
		err = clear_stale(p->socket, e);
	if (err == 0)
		err = find_owner(p->socket_owner, &uid, &gid, e);
	if (err != 0)
		return err;
	if (!server)
		flags |= RTE_VHOST_USER_CLIENT;
	if (rte_vhost_driver_register(p->socket, flags) != 0)
		return err_set(e, -EIO, "socket: '%s' was refused by the vhost library", p->socket);
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
