/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * What a Linux guest of QEMU sends and receives, for tests/lib/qemu.py. scripts/guest-image links
 * it statically and puts it into the guest's initramfs; it needs nothing but the kernel.
 *
 * pipe sees each frame that the NIC's driver receives, whoever it is for, as the tap comes before
 * any filter of the guest's kernel; it changes nothing in the NIC's own receive filter.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX 65536

static const char usage[] =
	"usage: frames pipe IFACE PORT     IFACE's frames to PORT, and PORT's to IFACE, each as\n"
	"                                  2 bytes of length (big endian), 1 of packet type, "
	"frame\n"
	"       frames recv IFACE          a line for each frame: time dst src type number "
	"pkttype\n"
	"       frames send IFACE HEX\n"
	"       frames join IFACE WHAT     in the background until killed; prints its process id.\n"
	"                                  WHAT: an IPv4 or IPv6 group, a MAC, allmulti or "
	"promisc\n"
	"       frames latency IFACE GROUP joins, waits up to 5 s for a first frame to the "
	"group's\n"
	"                                  MAC, leaves; prints nanoseconds and the frame's "
	"number\n";

static int
fail(const char *what)
{
	fprintf(stderr, "frames: %s: %s\n", what, strerror(errno));
	return 1;
}

/* A raw socket that hears the interface, or -1. It is born deaf, so that nothing of another
 * interface comes in before it is bound. */
static int
tap_open(unsigned int index)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = (int)index};
	int size = 8 << 20, on = 1;
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) != 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) != 0 ||
	    bind(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Puts the outer tag back, which the kernel takes out of a received frame. */
static size_t
tag_back(struct msghdr *msg, uint8_t *frame, size_t n)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		struct tpacket_auxdata aux;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA || n < 12)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if (!(aux.tp_status & TP_STATUS_VLAN_VALID))
			continue;
		memmove(frame + 16, frame + 12, n - 12);
		frame[12] = (uint8_t)(aux.tp_vlan_tpid >> 8);
		frame[13] = (uint8_t)aux.tp_vlan_tpid;
		frame[14] = (uint8_t)(aux.tp_vlan_tci >> 8);
		frame[15] = (uint8_t)aux.tp_vlan_tci;
		return n + 4;
	}
	return n;
}

/* One frame of at most FRAME_MAX - 4 bytes; its length, or -1 (EAGAIN: none, while flags say so).
 */
static ssize_t
tap_recv(int fd, uint8_t *frame, uint8_t *type, int flags)
{
	union {
		struct cmsghdr align;
		char room[256];
	} control;
	struct sockaddr_ll from;
	struct iovec part = {frame, FRAME_MAX - 4};
	struct msghdr msg = {.msg_name = &from,
			     .msg_namelen = sizeof(from),
			     .msg_iov = &part,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &msg, flags);

	if (n < 0)
		return -1;
	*type = from.sll_pkttype;
	return (ssize_t)tag_back(&msg, frame, (size_t)n);
}

static int
write_all(int fd, const uint8_t *data, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, data, n);

		if (done < 0 && errno == EAGAIN) { /* nobody reads on the host's side */
			poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 100);
			continue;
		}
		if (done < 0)
			return -1;
		data += done;
		n -= (size_t)done;
	}
	return 0;
}

/* What came in from the port: complete frames leave by the tap, the rest stays. */
static size_t
send_frames(int tap, uint8_t *data, size_t n)
{
	size_t at = 0;

	while (n - at >= 3) {
		size_t length = (size_t)data[at] << 8 | data[at + 1];

		if (n - at - 3 < length)
			break;
		if (write(tap, data + at + 3, length) < 0)
			fail("write");
		at += 3 + length;
	}
	memmove(data, data + at, n - at);
	return n - at;
}

static int
do_pipe(unsigned int index, const char *path)
{
	static uint8_t in[2 * FRAME_MAX], out[3 + FRAME_MAX];
	size_t have = 0;
	int tap = tap_open(index), port = open(path, O_RDWR | O_NONBLOCK);
	struct pollfd fds[] = {{.fd = tap, .events = POLLIN}, {.fd = port, .events = POLLIN}};

	if (tap < 0 || port < 0)
		return fail(tap < 0 ? "packet socket" : path);
	for (;;) {
		ssize_t n;

		poll(fds, 2, -1);
		while ((n = tap_recv(tap, out + 3, &out[2], MSG_DONTWAIT)) >= 0) {
			out[0] = (uint8_t)((size_t)n >> 8);
			out[1] = (uint8_t)n;
			if (write_all(port, out, (size_t)n + 3) != 0)
				return fail(path);
		}
		n = read(port, in + have, sizeof(in) - have);
		if (n > 0)
			have = send_frames(tap, in, have + (size_t)n);
		else if (fds[1].revents & POLLHUP) /* the host's side is closed: not all the time */
			usleep(100000);
	}
}

/* The number that tests/lib/frames.py put into a frame, or -1. */
static int64_t
frame_number(const uint8_t *frame, size_t n)
{
	const uint8_t *at = n > 14 ? memmem(frame + 14, n - 14, "MvSw", 4) : NULL;

	if (at == NULL || at + 8 > frame + n)
		return -1;
	return (int64_t)((uint32_t)at[4] << 24 | (uint32_t)at[5] << 16 | (uint32_t)at[6] << 8 |
			 at[7]);
}

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
print_mac(const uint8_t *m)
{
	printf("%02x:%02x:%02x:%02x:%02x:%02x ", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static int
do_recv(unsigned int index)
{
	static uint8_t frame[FRAME_MAX];
	int tap = tap_open(index);
	uint8_t type;
	ssize_t n;

	if (tap < 0)
		return fail("packet socket");
	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((n = tap_recv(tap, frame, &type, 0)) >= 14) {
		printf("%.6f ", (double)now_ns() / 1e9);
		print_mac(frame);
		print_mac(frame + 6);
		printf("%04x %lld %u\n", (unsigned int)(frame[12] << 8 | frame[13]),
		       (long long)frame_number(frame, (size_t)n), type);
	}
	return fail("receive");
}

static int
do_send(unsigned int index, const char *hex)
{
	static uint8_t frame[FRAME_MAX];
	int tap = tap_open(index);
	size_t n = 0;

	if (tap < 0)
		return fail("packet socket");
	while (n < sizeof(frame) && sscanf(hex + 2 * n, "%2hhx", &frame[n]) == 1)
		n++;
	if (write(tap, frame, n) != (ssize_t)n)
		return fail("send");
	return 0;
}

static int
join_packet(unsigned int index, const char *what)
{
	struct packet_mreq request = {.mr_ifindex = (int)index, .mr_alen = ETH_ALEN};
	uint8_t *m = request.mr_address;
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (fd < 0)
		return -1;
	if (strcmp(what, "allmulti") == 0) {
		request.mr_type = PACKET_MR_ALLMULTI;
	} else if (strcmp(what, "promisc") == 0) {
		request.mr_type = PACKET_MR_PROMISC;
	} else if (sscanf(what, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &m[0], &m[1], &m[2], &m[3],
			  &m[4], &m[5]) == 6) {
		request.mr_type = m[0] & 1 ? PACKET_MR_MULTICAST : PACKET_MR_UNICAST;
	} else {
		errno = EINVAL;
		close(fd);
		return -1;
	}
	if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof(request)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* A socket that is a member as long as it is open; mac: the group's, where that is an IP group. */
static int
join(unsigned int index, const char *what, uint8_t mac[ETH_ALEN])
{
	struct ip_mreqn v4 = {.imr_ifindex = (int)index};
	struct ipv6_mreq v6 = {.ipv6mr_interface = index};
	int fd, status;

	memset(mac, 0, ETH_ALEN);
	if (inet_pton(AF_INET, what, &v4.imr_multiaddr) == 1) {
		uint32_t group = ntohl(v4.imr_multiaddr.s_addr);
		uint8_t m[] = {1, 0, 0x5e, group >> 16 & 0x7f, group >> 8 & 255, group & 255};

		memcpy(mac, m, ETH_ALEN);
		fd = socket(AF_INET, SOCK_DGRAM, 0);
		status = setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &v4, sizeof(v4));
	} else if (inet_pton(AF_INET6, what, &v6.ipv6mr_multiaddr) == 1) {
		mac[0] = mac[1] = 0x33;
		memcpy(mac + 2, &v6.ipv6mr_multiaddr.s6_addr[12], 4);
		fd = socket(AF_INET6, SOCK_DGRAM, 0);
		status = setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &v6, sizeof(v6));
	} else {
		return join_packet(index, what);
	}
	if (fd >= 0 && status != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int
do_join(unsigned int index, char **what)
{
	uint8_t mac[ETH_ALEN];
	pid_t child;

	for (; *what != NULL; what++)
		if (join(index, *what, mac) < 0)
			return fail(*what);
	child = fork();
	if (child < 0)
		return fail("fork");
	if (child > 0) {
		printf("%d\n", (int)child);
		return 0;
	}
	setsid();
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	for (;;)
		pause();
}

static int
do_latency(unsigned int index, const char *group)
{
	static uint8_t frame[FRAME_MAX];
	uint8_t mac[ETH_ALEN], type;
	int tap = tap_open(index);
	int64_t start = now_ns();
	int fd = join(index, group, mac);

	if (tap < 0 || fd < 0)
		return fail(tap < 0 ? "packet socket" : group);
	while (now_ns() - start < 5000000000) {
		ssize_t n;

		poll(&(struct pollfd){.fd = tap, .events = POLLIN}, 1, 1000);
		n = tap_recv(tap, frame, &type, MSG_DONTWAIT);
		if (n >= 14 && memcmp(frame, mac, ETH_ALEN) == 0) {
			printf("%lld %lld\n", (long long)(now_ns() - start),
			       (long long)frame_number(frame, (size_t)n));
			return 0;
		}
	}
	fprintf(stderr, "frames: %s: no frame in 5 s\n", group);
	return 1;
}

int
main(int argc, char **argv)
{
	unsigned int index;

	if (argc < 3 || (argc == 3) != (strcmp(argv[1], "recv") == 0)) {
		fputs(usage, stderr);
		return 2;
	}
	index = if_nametoindex(argv[2]);
	if (index == 0)
		return fail(argv[2]);
	if (strcmp(argv[1], "pipe") == 0)
		return do_pipe(index, argv[3]);
	if (strcmp(argv[1], "recv") == 0)
		return do_recv(index);
	if (strcmp(argv[1], "send") == 0)
		return do_send(index, argv[3]);
	if (strcmp(argv[1], "join") == 0)
		return do_join(index, argv + 3);
	if (strcmp(argv[1], "latency") == 0)
		return do_latency(index, argv[3]);
	fputs(usage, stderr);
	return 2;
}
