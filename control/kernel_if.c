/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Link state and MTU of a kernel interface by ioctl. Called by control/nic.c on the control thread,
 * from its timer: for drivers whose ethdev does not say.
 */
#include "control/kernel_if.h"

#include <errno.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A socket for ioctls and the interface's name in *req. The socket, or a negative errno. */
static int
open_for(unsigned int if_index, struct ifreq *req)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (if_indextoname(if_index, req->ifr_name) == NULL) {
		close(fd);
		return -ENODEV;
	}
	return fd;
}

int
kernel_if_query(unsigned int if_index, bool *running, uint32_t *mtu)
{
	struct ifreq req = {0};
	int fd = open_for(if_index, &req);
	int err = 0;

	if (fd < 0)
		return fd;
	if (ioctl(fd, SIOCGIFFLAGS, &req) < 0) {
		err = -errno;
		goto out;
	}
	*running = (req.ifr_flags & IFF_UP) && (req.ifr_flags & IFF_RUNNING);
	if (ioctl(fd, SIOCGIFMTU, &req) < 0) {
		err = -errno;
		goto out;
	}
	*mtu = (uint32_t)req.ifr_mtu;
out:
	close(fd);
	return err;
}

int
kernel_if_set_mtu(unsigned int if_index, uint32_t mtu)
{
	struct ifreq req = {0};
	int fd = open_for(if_index, &req);
	int err = 0;

	if (fd < 0)
		return fd;
	req.ifr_mtu = (int)mtu;
	if (ioctl(fd, SIOCSIFMTU, &req) < 0)
		err = -errno;
	close(fd);
	return err;
}
