/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * A guest's attachment to the test: a unix SOCK_SEQPACKET socket (one datagram a frame, behind a
 * struct datagram_header) or a kernel TAP. Called by vguest's one loop; nothing here blocks. What
 * the other side cannot take yet stays in g->up or g->down, and is tried again in the next round,
 * so that nothing is lost without being counted.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "tests/guest/vguest.h"

#define SOCKET_BUFFER (16 << 20) /* bytes */

static int
watch(struct vguest *v, struct guest *g, int fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = g};

	return epoll_ctl(v->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

static int
open_tap(struct guest *g)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = 0;

	memcpy(ifr.ifr_name, g->tap, sizeof(ifr.ifr_name));
	if (fd < 0 || control < 0 || ioctl(fd, TUNSETIFF, &ifr) != 0)
		rc = -errno;
	ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(ifr.ifr_hwaddr.sa_data, g->mac.addr_bytes, sizeof(g->mac.addr_bytes));
	if (rc == 0 && ioctl(control, SIOCSIFHWADDR, &ifr) != 0)
		rc = -errno;
	ifr.ifr_mtu = g->mtu;
	if (rc == 0 && ioctl(control, SIOCSIFMTU, &ifr) != 0)
		rc = -errno;
	if (control >= 0)
		close(control);
	if (rc != 0 && fd >= 0)
		close(fd);
	g->fd = rc == 0 ? fd : -1;
	return rc;
}

static int
open_socket(struct guest *g, const char *dir)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int n = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", dir, g->name);
	int fd;

	if (n >= (int)sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	unlink(addr.sun_path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 || listen(fd, 8) != 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	g->listen_fd = fd;
	return 0;
}

int
attach_open(struct vguest *v, struct guest *g, const char *dir)
{
	int rc = g->tap[0] != '\0' ? open_tap(g) : open_socket(g, dir);

	if (rc == 0)
		rc = watch(v, g, g->fd >= 0 ? g->fd : g->listen_fd);
	if (rc != 0)
		fprintf(stderr, "vguest: %s: cannot open %s: %s\n", g->name,
			g->tap[0] != '\0' ? g->tap : "its socket", strerror(-rc));
	return rc;
}

/* The newest test has the guest; an older one sees its connection close. */
void
attach_accept(struct vguest *v, struct guest *g)
{
	int size = SOCKET_BUFFER;
	int fd;

	if (g->listen_fd < 0)
		return;
	while ((fd = accept4(g->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		if (g->fd >= 0)
			close(g->fd);
		g->fd = fd;
		g->readable = true;
		if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
			setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		watch(v, g, fd);
	}
}

static void
peer_left(struct guest *g)
{
	if (g->listen_fd < 0)
		return;
	close(g->fd);
	g->fd = -1;
	g->readable = false;
}

static uint16_t
offload_flags(const struct guest *g, const struct rte_mbuf *m)
{
	uint64_t flags = m->ol_flags & (RTE_MBUF_F_RX_L4_CKSUM_NONE | RTE_MBUF_F_RX_LRO);
	uint16_t said = 0;

	if (!g->offloads)
		return flags != 0 ? DATAGRAM_OFFLOAD : 0;
	if ((flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_NONE)
		said |= DATAGRAM_UNFINISHED;
	if (flags & RTE_MBUF_F_RX_LRO)
		said |= DATAGRAM_LARGE;
	return said;
}

/* true: done with the frame, sent or counted as lost. false: the peer's buffer is full. */
static bool
send_up(struct guest *g, const struct rte_mbuf *m)
{
	struct datagram_header header = {.queue = g->up_queue};
	struct iovec iov[2] = {{.iov_base = &header, .iov_len = sizeof(header)}};
	char flat[MAX_FRAME];
	bool tap = g->listen_fd < 0;

	if (sink_take(g, m))
		return true;
	if (g->fd < 0) {
		g->no_peer++;
		return true;
	}
	if (m->nb_segs > 1)
		header.flags |= DATAGRAM_SEGMENTED;
	header.flags |= offload_flags(g, m);
	iov[1].iov_len = RTE_MIN(rte_pktmbuf_pkt_len(m), sizeof(flat));
	iov[1].iov_base = (void *)(uintptr_t)rte_pktmbuf_read(m, 0, iov[1].iov_len, flat);
	if (writev(g->fd, tap ? iov + 1 : iov, tap ? 1 : 2) >= 0)
		return true;
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
		return false;
	if (tap) {
		g->tap_errors++;
	} else {
		g->no_peer++;
		peer_left(g);
	}
	return true;
}

bool
attach_up(struct guest *g)
{
	bool moved = false;

	for (uint16_t q = 0; q < g->queues; q++) {
		if (g->up_next == g->up_count) {
			if (g->paused)
				break;
			g->up_queue = (g->up_queue + 1) % g->queues;
			g->up_next = 0;
			g->up_count = rte_eth_rx_burst(g->port_id, g->up_queue, g->up, BURST);
			g->rx += g->up_count;
		}
		while (g->up_next < g->up_count && send_up(g, g->up[g->up_next])) {
			rte_pktmbuf_free(g->up[g->up_next++]);
			moved = true;
		}
		if (g->up_next < g->up_count)
			break;
	}
	return moved;
}

/* A chain of mbufs where one is too small. NULL: out of buffers, to be tried again. */
static struct rte_mbuf *
make_frame(struct vguest *v, const char *data, size_t length)
{
	struct rte_mbuf *head = NULL;

	while (length > 0 || head == NULL) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(v->pool);
		size_t part;

		if (m == NULL || (head != NULL && rte_pktmbuf_chain(head, m) != 0)) {
			rte_pktmbuf_free(m);
			rte_pktmbuf_free(head);
			return NULL;
		}
		head = head == NULL ? m : head;
		part = RTE_MIN(length, (size_t)rte_pktmbuf_tailroom(m));
		memcpy(rte_pktmbuf_mtod(m, char *), data, part);
		m->data_len = part;
		if (m != head)
			head->pkt_len += part;
		else
			head->pkt_len = part;
		data += part;
		length -= part;
	}
	return head;
}

/* As virtio's driver has them from a kernel, or from somebody who means ill. */
static void
ask(struct rte_mbuf *m, const struct datagram_asks *asks)
{
	m->l2_len = asks->l2_len;
	m->l3_len = asks->l3_len;
	m->l4_len = asks->l4_len;
	m->tso_segsz = asks->segment;
	m->ol_flags |= asks->what & ASKS_IPV6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
	if (asks->what & ASKS_TCP_CHECKSUM)
		m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
	if (asks->what & ASKS_UDP_CHECKSUM)
		m->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM;
	if (asks->what & ASKS_SEGMENTS)
		m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
}

/* Reads one frame into g->down; false: none there. */
static bool
read_down(struct vguest *v, struct guest *g)
{
	static char data[MAX_FRAME + sizeof(struct datagram_header) + sizeof(struct datagram_asks)];
	struct datagram_header header = {0};
	struct datagram_asks asks = {0};
	bool tap = g->listen_fd < 0;
	size_t skip = tap ? 0 : sizeof(header);
	ssize_t n;

	if (rte_mempool_avail_count(v->pool) < 2 * MAX_FRAME / RTE_MBUF_DEFAULT_DATAROOM)
		return false; /* wait: a read frame must have its buffers */
	n = read(g->fd, data, sizeof(data));
	if (n <= 0) {
		g->readable = false;
		if (!tap && (n == 0 || (errno != EAGAIN && errno != EINTR)))
			peer_left(g);
		return false;
	}
	if (!tap)
		memcpy(&header, data, RTE_MIN((size_t)n, sizeof(header)));
	if (header.flags & DATAGRAM_ASKS) {
		memcpy(&asks, data + skip, sizeof(asks));
		skip += sizeof(asks);
	}
	if (n < (ssize_t)(skip + RTE_ETHER_HDR_LEN) || header.queue >= g->queues) {
		g->bad_datagrams++;
		return true;
	}
	g->down = make_frame(v, data + skip, n - skip);
	g->bad_datagrams += g->down == NULL;
	if (header.flags & DATAGRAM_ASKS && g->down != NULL)
		ask(g->down, &asks);
	g->down_queue = header.queue;
	g->down_since = rte_get_tsc_cycles();
	return true;
}

bool
attach_down(struct vguest *v, struct guest *g)
{
	bool moved = false;

	for (int i = 0; i < BURST; i++) {
		if (g->down == NULL && (g->fd < 0 || !g->readable || !read_down(v, g)))
			break;
		if (g->down == NULL)
			continue;
		if (rte_eth_tx_burst(g->port_id, g->down_queue, &g->down, 1) == 1) {
			g->tx++;
		} else if (rte_get_tsc_cycles() - g->down_since > rte_get_tsc_hz()) {
			rte_pktmbuf_free(g->down);
			g->tx_timeouts++;
		} else {
			break;
		}
		g->down = NULL;
		moved = true;
	}
	return moved;
}
