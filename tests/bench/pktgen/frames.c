/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * Frames into and out of a guest's rings, or a tap. UDP over IPv4, built before the run; only the
 * destination and the mark are written when a frame is sent, and the mark is read when one arrives,
 * so both sides touch a frame's first line as a guest's stack does. Descriptors are written anew
 * each time, as drivers do. The switch gives descriptors back in order: with DPDK's vhost it does.
 */
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/pktgen/pktgen.h"

static uint16_t
ip_checksum(const struct iphdr *ip)
{
	const uint8_t *byte = (const uint8_t *)ip;
	uint32_t sum = 0;

	for (size_t i = 0; i < sizeof(*ip); i += 2)
		sum += (uint32_t)byte[i] << 8 | byte[i + 1];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void
build(const struct sender *s, uint8_t *frame, uint16_t size)
{
	struct ether_header eth = {.ether_type = htons(ETHERTYPE_IP)};
	struct iphdr ip = {.version = 4,
			   .ihl = 5,
			   .tot_len = htons(size - sizeof(eth)),
			   .ttl = 64,
			   .protocol = IPPROTO_UDP,
			   .saddr = htonl(0x0a000001),
			   .daddr = htonl(0x0a000002)};
	struct udphdr udp = {.source = htons(1024),
			     .dest = htons(1025),
			     .len = htons(size - sizeof(eth) - sizeof(ip))};

	memcpy(eth.ether_dhost, s->dst, ETH_ALEN);
	memcpy(eth.ether_shost, &s->src, ETH_ALEN);
	ip.check = ip_checksum(&ip);
	memset(frame, 0, size);
	memcpy(frame, &eth, sizeof(eth));
	memcpy(frame + sizeof(eth), &ip, sizeof(ip));
	memcpy(frame + sizeof(eth) + sizeof(ip), &udp, sizeof(udp));
}

void
frames_prepare(struct sender *s)
{
	struct port *p = s->port;
	uint8_t *slots = p->tap ? p->slots : p->send.slots;
	uint16_t n = p->tap ? s->n_sizes : p->send.size;

	for (uint16_t i = 0; i < n; i++) {
		uint16_t size = s->sizes[i % s->n_sizes];
		uint8_t *slot = slots + (size_t)i * SLOT_SIZE;

		memset(slot, 0, FRAME_AT);
		build(s, slot + FRAME_AT, size);
	}
}

static void
address_and_mark(struct sender *s, uint32_t run, uint8_t *frame, uint64_t now)
{
	struct mark mark = {.run = run, .sender = s->id, .number = s->sent, .tsc = now};

	memcpy(frame, &s->dst[s->next_dst], ETH_ALEN);
	memcpy(frame_mark(frame), &mark, sizeof(mark));
	if (++s->next_dst == s->n_dst)
		s->next_dst = 0;
	s->sent++;
}

static uint16_t
tap_send(struct sender *s, uint32_t run, uint16_t n, uint64_t now)
{
	uint16_t sent = 0;

	for (; sent < n; sent++) {
		uint16_t i = s->sent % s->n_sizes;
		uint8_t *frame = s->port->slots + (size_t)i * SLOT_SIZE + FRAME_AT;
		uint32_t next = s->next_dst;

		address_and_mark(s, run, frame, now);
		if (write(s->port->fd, frame, s->sizes[i]) < 0) {
			s->sent--; /* its queue is full: the number is the next one's */
			s->next_dst = next;
			break;
		}
	}
	return sent;
}

static void
kick(struct ring *r)
{
	uint64_t one = 1;

	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* the index, before a look at the flag */
	if ((__atomic_load_n(&r->used->flags, __ATOMIC_RELAXED) & VRING_USED_F_NO_NOTIFY) == 0)
		(void)!write(r->kick, &one, sizeof(one));
}

uint16_t
frames_send(struct sender *s, uint32_t run, uint16_t n, uint16_t at_least, uint64_t now)
{
	struct ring *r = &s->port->send;
	uint16_t size_index, room;

	if (s->port->tap)
		return tap_send(s, run, n, now);
	room = r->size - (uint16_t)(r->next - r->seen);
	if (room < n) {
		r->seen = __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE);
		room = r->size - (uint16_t)(r->next - r->seen);
		n = n < room ? n : room;
	}
	if (n < at_least || n == 0)
		return 0;
	size_index = (r->next & (r->size - 1)) % s->n_sizes;
	for (uint16_t i = 0; i < n; i++) {
		uint16_t at = r->next & (r->size - 1);
		uint8_t *slot = r->slots + (size_t)at * SLOT_SIZE;

		if (at == 0)
			size_index = 0;
		r->desc[at].addr = (uintptr_t)slot + FRAME_AT - VNET_HEADER;
		r->desc[at].len = VNET_HEADER + s->sizes[size_index];
		address_and_mark(s, run, slot + FRAME_AT, now);
		if (++size_index == s->n_sizes)
			size_index = 0;
		r->next++;
	}
	__atomic_store_n(&r->avail->idx, r->next, __ATOMIC_RELEASE);
	kick(r);
	return n;
}

static void
count(struct run *r, struct port *p, uint8_t *frame, uint32_t size, uint64_t now)
{
	struct mark mark;

	p->frames++;
	p->bytes += size;
	memcpy(&mark, frame_mark(frame), sizeof(mark));
	if (size < MIN_FRAME || mark.run != r->id || mark.sender >= MAX_SENDERS)
		return;
	p->marked++;
	p->from[mark.sender]++;
	if (mark.number < p->last[mark.sender])
		p->reordered++;
	else
		p->last[mark.sender] = mark.number + 1;
	if (r->senders[mark.sender].per_tick > 0 && mark.tsc >= r->latency_from)
		histogram_add(&r->latency, now - mark.tsc);
}

static uint16_t
tap_receive(struct run *r, struct port *p)
{
	uint8_t *frame = p->slots + MAX_SIZES * SLOT_SIZE;
	uint16_t got = 0;

	for (; got < BURST; got++) {
		ssize_t n = read(p->fd, frame, MAX_FRAME);

		if (n <= 0)
			break;
		count(r, p, frame, (uint32_t)n, tsc());
	}
	return got;
}

uint16_t
frames_receive(struct run *r, struct port *p, uint16_t at_least)
{
	struct ring *ring = &p->receive;
	struct vring_used_elem got[BURST];
	uint64_t now;
	uint16_t n;

	if (p->tap)
		return tap_receive(r, p);
	n = (uint16_t)(__atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE) - ring->next);
	if (n < at_least)
		return 0;
	n = n < BURST ? n : BURST;
	for (uint16_t i = 0; i < n; i++) {
		got[i] = ring->used->ring[(uint16_t)(ring->next + i) & (ring->size - 1)];
		got[i].id &= ring->size - 1u;
		__builtin_prefetch(ring->slots + (size_t)got[i].id * SLOT_SIZE + FRAME_AT);
	}
	now = tsc();
	for (uint16_t i = 0; i < n; i++) {
		uint8_t *frame = ring->slots + (size_t)got[i].id * SLOT_SIZE + FRAME_AT;
		uint16_t at = (uint16_t)(ring->next + i) & (ring->size - 1);

		count(r, p, frame, got[i].len - VNET_HEADER, now);
		ring->desc[got[i].id].addr = (uintptr_t)frame - VNET_HEADER;
		ring->desc[got[i].id].len = VNET_HEADER + MAX_FRAME;
		if (ring->avail->ring[at] != got[i].id)
			ring->avail->ring[at] = (uint16_t)got[i].id;
	}
	ring->next += n;
	__atomic_store_n(&ring->avail->idx, (uint16_t)(ring->next + ring->size), __ATOMIC_RELEASE);
	kick(ring);
	return n;
}
