/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * The front end of vhost-user, as far as a guest with one queue pair needs it: what QEMU says to
 * the switch when a guest's driver starts. Features: VERSION_1 and MRG_RXBUF, and no offload, the
 * same with every switch. Called once a guest, before the first run.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "tests/bench/pktgen/pktgen.h"

enum request {
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16,
	SET_VRING_ENABLE = 18,
};

#define VERSION 1u
#define REPLY 4u
#define F_PROTOCOL_FEATURES 30
#define FEATURES \
	(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MRG_RXBUF | 1ull << F_PROTOCOL_FEATURES)
#define ANSWER_SECONDS 10

struct memory_table {
	uint32_t regions, padding;
	uint64_t guest_address, size, user_address, offset;
};

struct message {
	uint32_t request, flags, size;
	union {
		uint64_t number;
		struct vhost_vring_state state;
		struct vhost_vring_addr address;
		struct memory_table memory;
	} __attribute__((packed)) payload;
} __attribute__((packed));
#define HEADER offsetof(struct message, payload)

static int
say(int sock, enum request request, const void *payload, uint32_t size, int fd)
{
	struct message m = {.request = request, .flags = VERSION, .size = size};
	struct iovec iov = {.iov_base = &m, .iov_len = HEADER + size};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	memcpy(&m.payload, payload, size);
	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) == (ssize_t)iov.iov_len ? 0 : -errno;
}

static int
say_number(int sock, enum request request, uint64_t number, int fd)
{
	return say(sock, request, &number, sizeof(number), fd);
}

static int
ask(int sock, enum request request, uint64_t *answer)
{
	struct message m;
	size_t want = HEADER + sizeof(m.payload.number);
	int rc = say(sock, request, NULL, 0, -1);

	if (rc != 0)
		return rc;
	if (recv(sock, &m, want, MSG_WAITALL) != (ssize_t)want || m.request != request ||
	    (m.flags & REPLY) == 0)
		return -EPROTO;
	*answer = m.payload.number;
	return 0;
}

static int
say_state(int sock, enum request request, unsigned int index, unsigned int number)
{
	struct vhost_vring_state state = {.index = index, .num = number};

	return say(sock, request, &state, sizeof(state), -1);
}

static int
start_ring(int sock, unsigned int index, struct ring *r)
{
	struct vhost_vring_addr address = {.index = index,
					   .desc_user_addr = (uintptr_t)r->desc,
					   .avail_user_addr = (uintptr_t)r->avail,
					   .used_user_addr = (uintptr_t)r->used};
	int call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int rc;

	r->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (call < 0 || r->kick < 0)
		return -errno;
	rc = say_state(sock, SET_VRING_NUM, index, r->size);
	if (rc == 0)
		rc = say_state(sock, SET_VRING_BASE, index, 0);
	if (rc == 0)
		rc = say(sock, SET_VRING_ADDR, &address, sizeof(address), -1);
	if (rc == 0)
		rc = say_number(sock, SET_VRING_KICK, index, r->kick);
	if (rc == 0)
		rc = say_number(sock, SET_VRING_CALL, index, call);
	close(call); /* the switch has it; we poll */
	return rc;
}

static int
connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = ANSWER_SECONDS};
	int sock;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(sock, (struct sockaddr *)&address, sizeof(address)) != 0) {
		int rc = -errno;

		close(sock);
		return rc;
	}
	return sock;
}

int
vhost_attach(struct port *p, const char *path, int memory_fd)
{
	struct memory_table table = {.regions = 1,
				     .guest_address = (uintptr_t)p->memory,
				     .size = p->memory_size,
				     .user_address = (uintptr_t)p->memory};
	uint64_t features, protocol;
	int sock = connect_to(path);
	int rc;

	if (sock < 0)
		return sock;
	p->fd = sock;
	rc = ask(sock, GET_FEATURES, &features);
	if (rc == 0 && (features & FEATURES) != FEATURES)
		rc = -ENOTSUP;
	if (rc == 0)
		rc = ask(sock, GET_PROTOCOL_FEATURES, &protocol);
	if (rc == 0)
		rc = say_number(sock, SET_PROTOCOL_FEATURES, 0, -1);
	if (rc == 0)
		rc = say(sock, SET_OWNER, NULL, 0, -1);
	if (rc == 0)
		rc = say_number(sock, SET_FEATURES, FEATURES, -1);
	if (rc == 0)
		rc = say(sock, SET_MEM_TABLE, &table, sizeof(table), memory_fd);
	if (rc == 0)
		rc = start_ring(sock, 0, &p->receive);
	if (rc == 0)
		rc = start_ring(sock, 1, &p->send);
	for (unsigned int i = 0; rc == 0 && i < 2; i++)
		rc = say_state(sock, SET_VRING_ENABLE, i, 1);
	if (rc == 0) /* answered once all before it was handled */
		rc = ask(sock, GET_FEATURES, &features);
	return rc;
}
