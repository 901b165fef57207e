/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * The control socket's file: replaces one that a dead daemon left, never one that somebody answers
 * on, and opens the door (listen) only after owner and mode are right. Called by the RPC server
 * at start and stop, on the control thread.
 */
#include <bsd/inttypes.h>
#include <bsd/string.h>
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/rpc_socket.h"

static int
group_find(const char *group, gid_t *gid, struct errmsg *e)
{
	const struct group *g;
	int bad;

	*gid = (gid_t)-1; /* chown(2): leave it */
	if (group == NULL || group[0] == '\0')
		return 0;
	g = getgrnam(group);
	if (g != NULL) {
		*gid = g->gr_gid;
		return 0;
	}
	*gid = (gid_t)strtou(group, NULL, 10, 0, UINT32_MAX - 1, &bad);
	if (bad != 0)
		return err_set(e, -EINVAL, "control_group: there is no group \"%s\"", group);
	return 0;
}

/* /run is emptied at every boot, so the folder that the default path needs is made here. */
static int
folder_make(const char *path, struct errmsg *e)
{
	char folder[sizeof(((struct rpc_socket *)NULL)->path)];
	struct stat st;
	char *slash;
	int err;

	strlcpy(folder, path, sizeof(folder));
	slash = strrchr(folder, '/');
	if (slash == NULL || slash == folder)
		return 0;
	*slash = '\0';
	if (stat(folder, &st) == 0)
		return 0;
	err = errno;
	if (err == ENOENT && strncmp(folder, "/run/", 5) == 0) {
		if (mkdir(folder, 0755) == 0 || errno == EEXIST)
			return 0;
		err = errno;
	}
	return err_set(e, -err, "%s: the folder %s: %s", path, folder, strerror(err));
}

/* Removes a socket file that nobody listens on any more. 0: the name is free now. */
static int
stale_remove(const struct sockaddr_un *addr, struct errmsg *e)
{
	const char *path = addr->sun_path;
	struct stat st;
	int fd, err;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, -EEXIST, "%s exists and is not a socket", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(e, -errno, "%s: socket: %s", path, strerror(errno));
	err = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 ? 0 : errno;
	close(fd);
	if (err == ENOENT)
		return 0;
	if (err == EACCES || err == EPERM)
		return err_set(e, -err, "%s: %s", path, strerror(err));
	if (err != ECONNREFUSED) /* EAGAIN: its backlog is full, so it is alive */
		return err_set(e, -EADDRINUSE, "%s: another process answers there", path);
	if (unlink(path) != 0 && errno != ENOENT)
		return err_set(e, -errno, "%s: cannot remove the old socket: %s", path,
			       strerror(errno));
	return 0;
}

/* Under a umask that lets nobody else in, because chown and chmod come only afterwards. */
static int
bind_private(int fd, const struct sockaddr_un *addr)
{
	mode_t before = umask(0177);
	int err = bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 ? 0 : -errno;

	umask(before);
	return err;
}

/* From a bound name to an open door. */
static int
open_door(struct rpc_socket *s, gid_t gid, int backlog, struct errmsg *e)
{
	if (gid != (gid_t)-1 && chown(s->path, (uid_t)-1, gid) != 0)
		return err_set(e, -errno, "%s: cannot give it to the control_group: %s", s->path,
			       strerror(errno));
	if (chmod(s->path, 0660) != 0)
		return err_set(e, -errno, "%s: chmod: %s", s->path, strerror(errno));
	if (listen(s->fd, backlog) != 0)
		return err_set(e, -errno, "%s: listen: %s", s->path, strerror(errno));
	return 0;
}

int
rpc_socket_open(struct rpc_socket *s, const char *path, const char *group, int backlog,
		struct errmsg *e)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat st;
	gid_t gid;
	int ret;

	*s = (struct rpc_socket){.fd = -1};
	if (path[0] == '\0')
		return err_set(e, -EINVAL, "the control socket has no path");
	if (strlcpy(addr.sun_path, path, sizeof(addr.sun_path)) >= sizeof(addr.sun_path))
		return err_set(e, -ENAMETOOLONG,
			       "%.40s...: a socket's path has at most %zu characters", path,
			       sizeof(addr.sun_path) - 1);
	ret = group_find(group, &gid, e);
	if (ret != 0)
		return ret;
	ret = folder_make(path, e);
	if (ret != 0)
		return ret;
	ret = stale_remove(&addr, e);
	if (ret != 0)
		return ret;
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return err_set(e, -errno, "%s: socket: %s", path, strerror(errno));
	ret = bind_private(s->fd, &addr);
	if (ret != 0) {
		err_set(e, ret, "%s: bind: %s", path, strerror(-ret));
		goto fail;
	}
	strlcpy(s->path, path, sizeof(s->path));
	if (lstat(path, &st) == 0) {
		s->dev = st.st_dev;
		s->ino = st.st_ino;
	}
	ret = open_door(s, gid, backlog, e);
	if (ret == 0)
		return 0;
	rpc_socket_unlink(s);
fail:
	close(s->fd);
	s->fd = -1;
	return ret;
}

void
rpc_socket_unlink(const struct rpc_socket *s)
{
	struct stat st;

	if (s->path[0] != '\0' && lstat(s->path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	    st.st_dev == s->dev && st.st_ino == s->ino)
		unlink(s->path);
}
