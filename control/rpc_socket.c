/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * The control socket's file: replaces one that a dead daemon left, never one that somebody answers
 * on, and opens the door (listen) only after owner and mode are right. Called by the RPC server
 * at start and stop, on the control thread.
 */
#include <bsd/string.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/settings.h"
#include "control/rpc_socket.h"
#include "control/socket_file.h"

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
	char owner[NAME_SIZE + 1];
	struct stat st;
	uid_t uid;
	gid_t gid;
	int ret;

	*s = (struct rpc_socket){.fd = -1};
	if (path[0] == '\0')
		return err_set(e, -EINVAL, "the control socket has no path");
	if (strlcpy(addr.sun_path, path, sizeof(addr.sun_path)) >= sizeof(addr.sun_path))
		return err_set(e, -ENAMETOOLONG,
			       "%.40s...: a socket's path has at most %zu characters", path,
			       sizeof(addr.sun_path) - 1);
	snprintf(owner, sizeof(owner), ":%s", group != NULL ? group : "");
	ret = socket_file_owner("control_group", owner, &uid, &gid, e);
	if (ret == 0)
		ret = socket_file_folder(path, e);
	if (ret == 0)
		ret = socket_file_clear(path, e);
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
