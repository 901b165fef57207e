/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Folder, stale file and owner of a listening unix socket. Called by rpc_socket.c and
 * vhost_socket.c on the control thread before they bind.
 */
#include "control/socket_file.h"

#include <bsd/inttypes.h>
#include <bsd/string.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/settings.h"

int
socket_file_folder(const char *path, struct errmsg *e)
{
	char folder[SOCKET_PATH_SIZE];
	struct stat st;
	char *slash;

	strlcpy(folder, path, sizeof(folder));
	slash = strrchr(folder, '/');
	if (slash == NULL || slash == folder)
		return 0;
	*slash = '\0';
	if (stat(folder, &st) == 0)
		return S_ISDIR(st.st_mode) ? 0
					   : err_set(e, -ENOTDIR, "socket '%s': '%s' is no folder",
						     path, folder);
	if (errno != ENOENT)
		return err_set(e, -errno, "socket '%s': folder '%s': %m", path, folder);
	if (strncmp(folder, "/run/", 5) != 0)
		return err_set(e, -ENOENT, "socket '%s': folder '%s' does not exist", path, folder);
	if (mkdir(folder, 0755) != 0 && errno != EEXIST)
		return err_set(e, -errno, "socket '%s': folder '%s' cannot be made: %m", path,
			       folder);
	return 0;
}

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
	else if (errno == EAGAIN) /* its backlog is full, so it is alive */
		err = -EADDRINUSE;
	else if (errno != ECONNREFUSED && errno != ENOENT)
		err = -errno;
	close(fd);
	return err;
}

int
socket_file_clear(const char *path, struct errmsg *e)
{
	struct stat st;
	int err;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : err_set(e, -errno, "socket '%s': %m", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, -EEXIST, "socket '%s': the file exists and is not a socket",
			       path);
	err = ask_whether_alive(path);
	if (err == -EADDRINUSE)
		return err_set(e, err, "socket '%s': another process listens there", path);
	if (err != 0)
		return err_set(e, err, "socket '%s': %s", path, strerror(-err));
	if (unlink(path) != 0 && errno != ENOENT)
		return err_set(e, -errno, "socket '%s' is stale and cannot be removed: %m", path);
	return 0;
}

/* A number as user or group id; -1 is chown's "leave it" and so no id. */
static int
parse_id(const char *text, uint32_t *id)
{
	int bad;

	*id = (uint32_t)strtou(text, NULL, 10, 0, UINT32_MAX - 1, &bad);
	return bad == 0 ? 0 : -EINVAL;
}

int
socket_file_owner(const char *key, const char *text, uid_t *uid, gid_t *gid, struct errmsg *e)
{
	char user[2 * NAME_SIZE];
	char *group;

	*uid = (uid_t)-1;
	*gid = (gid_t)-1;
	strlcpy(user, text, sizeof(user));
	group = strchr(user, ':');
	if (group != NULL)
		*group++ = '\0';
	if (user[0] != '\0') {
		const struct passwd *pw = getpwnam(user);

		if (pw != NULL)
			*uid = pw->pw_uid;
		else if (parse_id(user, uid) != 0)
			return err_set(e, -EINVAL, "%s: there is no user '%s'", key, user);
	}
	if (group != NULL && group[0] != '\0') {
		const struct group *gr = getgrnam(group);

		if (gr != NULL)
			*gid = gr->gr_gid;
		else if (parse_id(group, gid) != 0)
			return err_set(e, -EINVAL, "%s: there is no group '%s'", key, group);
	}
	return 0;
}
