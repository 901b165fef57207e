/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <sys/types.h>

#include "config/errmsg.h"

/*
 * What a listening unix socket needs of the file system, for the control socket and for vhost-user
 * sockets alike. Control thread.
 */

/*
 * Is the folder of path there? One directly needed under /run is made, because /run is empty after
 * a boot. 0; -ENOENT, -ENOTDIR, -EACCES: *e names the folder.
 */
int socket_file_folder(const char *path, struct errmsg *e);

/*
 * Frees the name for bind(2): removes a socket file that nobody listens on. 0; -EADDRINUSE:
 * somebody answers there; -EEXIST: a file that is not a socket; others: it cannot be looked at or
 * removed.
 */
int socket_file_clear(const char *path, struct errmsg *e);

/*
 * "user", "user:group" or ":group", each by name or number; (uid_t)-1, (gid_t)-1 for what is not
 * given, as chown(2) takes it. key: for messages. 0 or -EINVAL: no such user or group.
 */
int socket_file_owner(const char *key, const char *text, uid_t *uid, gid_t *gid, struct errmsg *e);
