/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Queues of the simulated NIC. Whichever receive queue is polled takes frames from the wire's
 * socket, filters them and puts them into the queue they belong to. Frames to send wait in their
 * queue while the peer's socket is full (ten datagrams, with Linux' default).
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <rte_malloc.h>

#include "tests/simnic/simnic.h"

static uint32_t
used(const struct simnic_queue *q)
{
	return q->tail - q->head;
}

static void
push(struct simnic_queue *q, struct rte_mbuf *m)
{
	q->ring[q->tail++ & (q->size - 1)] = m;
}

static struct rte_mbuf *
pop(struct simnic_queue *q)
{
	return q->ring[q->head++ & (q->size - 1)];
}

static void
flush(struct simnic_queue *q)
{
	while (q != NULL && used(q) > 0)
		rte_pktmbuf_free(pop(q));
}

void
simnic_flush_rings(struct simnic *s)
{
	for (uint32_t i = 0; i < SIMNIC_QUEUES; i++) {
		flush(s->rxq[i]);
		flush(s->txq[i]);
	}
}

void
simnic_reta_default(struct simnic *s)
{
	uint16_t n = RTE_MAX(s->dev->data->nb_rx_queues, 1);

	for (uint16_t i = 0; i < SIMNIC_RETA; i++)
		s->reta[i] = i % n;
}

void
simnic_drain_wire(struct simnic *s)
{
	while (s->wire >= 0 && recv(s->wire, s->frame, sizeof(s->frame), MSG_DONTWAIT) >= 0)
		s->n.stopped++;
}

/* FNV-1a over both addresses. */
static uint32_t
hash(const struct rte_ether_hdr *eth)
{
	const uint8_t *bytes = (const uint8_t *)eth;
	uint32_t h = 2166136261U;

	for (uint32_t i = 0; i < 2 * RTE_ETHER_ADDR_LEN; i++)
		h = (h ^ bytes[i]) * 16777619U;
	return h ^ h >> 16;
}

static void
count_filtered(struct simnic *s, const struct rte_ether_addr *dst)
{
	uint32_t i = 0;

	s->n.filtered++;
	s->n.filtered_run++;
	s->n.max_filtered_run = RTE_MAX(s->n.max_filtered_run, s->n.filtered_run);
	while (i < s->n_misses && !rte_is_same_ether_addr(&s->misses[i].dst, dst))
		i++;
	if (i == SIMNIC_MISSES)
		return;
	if (i == s->n_misses)
		s->misses[s->n_misses++] = (struct simnic_miss){.dst = *dst};
	s->misses[i].frames++;
}

static void
deliver(struct simnic *s, uint16_t queue, uint32_t h, uint16_t len)
{
	struct simnic_queue *q = queue < SIMNIC_QUEUES ? s->rxq[queue] : NULL;
	struct rte_mbuf *m;

	if (q == NULL || used(q) == q->size) {
		s->n.missed++;
		return;
	}
	m = rte_pktmbuf_alloc(q->pool);
	if (m == NULL) {
		s->n.no_mbuf++;
		return;
	}
	if (rte_pktmbuf_tailroom(m) < len) { /* no scattered receive */
		rte_pktmbuf_free(m);
		s->n.too_long++;
		return;
	}
	memcpy(rte_pktmbuf_append(m, len), s->frame, len);
	m->port = s->dev->data->port_id;
	if (s->rss) {
		m->hash.rss = h;
		m->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
	}
	simnic_verify(s, m);
	push(q, m);
	q->packets++;
	q->bytes += len;
}

/* One frame of the wire, in s->frame. */
static void
receive(struct simnic *s, size_t len)
{
	const struct rte_ether_hdr *eth = (const struct rte_ether_hdr *)s->frame;
	struct rte_flow *flow;
	uint16_t queue = 0;
	uint32_t h;

	if (!s->link_up || s->removed) {
		s->n.link_down++;
		return;
	}
	if (len < sizeof(*eth) || len > s->dev->data->mtu + (size_t)SIMNIC_OVERHEAD) {
		s->n.too_long++;
		return;
	}
	flow = simnic_flow_find(s, &eth->dst_addr);
	if (!simnic_passes(s, &eth->dst_addr, flow)) {
		count_filtered(s, &eth->dst_addr);
		return;
	}
	s->n.passed++;
	s->n.filtered_run = 0;
	h = hash(eth);
	if (s->rss)
		queue = s->reta[h % SIMNIC_RETA];
	if (flow != NULL && !s->faults[FAULT_FLOW_NO_STEER] && !s->faults[FAULT_FLOW_IGNORED]) {
		queue = flow->queue;
		flow->hits++;
	}
	deliver(s, queue, h, (uint16_t)len);
}

#define TX_WORK (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IP_CKSUM)

/* Sends what waits in q. */
static void
transmit(struct simnic *s, struct simnic_queue *q)
{
	while (used(q) > 0) {
		struct rte_mbuf *m = q->ring[q->head & (q->size - 1)];
		bool work = (m->ol_flags & TX_WORK) != 0;
		uint32_t len = work ? simnic_piece(s, m, q->piece) : m->pkt_len;
		const void *data = NULL;

		if (work)
			data = s->frame;
		else if (len <= sizeof(s->frame))
			data = rte_pktmbuf_read(m, 0, len, s->frame);
		if (!s->link_up || s->removed || data == NULL || s->wire < 0) {
			s->n.lost_link_down++;
		} else if (sendto(s->wire, data, len, MSG_DONTWAIT | MSG_NOSIGNAL,
				  (struct sockaddr *)&s->peer, sizeof(s->peer)) >= 0) {
			s->n.sent++;
			s->n.sent_bytes += len;
			q->packets++;
			q->bytes += len;
		} else if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR) {
			return;
		} else {
			s->n.lost_no_peer++;
		}
		if (work && ++q->piece < simnic_pieces(m))
			continue;
		s->n.completed += work;
		s->n.cut += q->piece > 1;
		q->piece = 0;
		rte_pktmbuf_free(pop(q));
	}
}

static void
poll_wire(struct simnic *s, uint16_t n)
{
	for (uint16_t i = 0; s->started && s->wire >= 0 && i < n; i++) {
		/* MSG_TRUNC: the true length of what did not fit */
		ssize_t len = recv(s->wire, s->frame, sizeof(s->frame), MSG_DONTWAIT | MSG_TRUNC);

		if (len < 0)
			break;
		receive(s, (size_t)len);
	}
}

/* Copies of what waits in q, all of it in turn. */
static uint16_t
repeat(struct simnic_queue *q, struct rte_mbuf **pkts, uint16_t n)
{
	uint32_t waiting = used(q);

	if (waiting == 0 || rte_pktmbuf_alloc_bulk(q->pool, pkts, n) != 0)
		return 0;
	for (uint16_t i = 0; i < n; i++) {
		const struct rte_mbuf *m = q->ring[(q->head + q->next) & (q->size - 1)];

		memcpy(rte_pktmbuf_append(pkts[i], m->data_len), rte_pktmbuf_mtod(m, char *),
		       m->data_len);
		pkts[i]->port = m->port;
		pkts[i]->hash.rss = m->hash.rss;
		pkts[i]->ol_flags |= m->ol_flags;
		q->bytes += m->data_len;
		if (++q->next >= waiting)
			q->next = 0;
	}
	q->packets += n;
	return n;
}

uint16_t
simnic_rx(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct simnic_queue *q = queue;
	struct simnic *s = q->nic;
	uint16_t got = 0;

	pthread_mutex_lock(&s->lock);
	for (uint32_t i = 0; i < s->dev->data->nb_tx_queues; i++)
		if (s->txq[i] != NULL)
			transmit(s, s->txq[i]);
	if (s->replay > 0 && s->n.passed - s->replay_from >= s->replay) {
		got = repeat(q, pkts, n);
		pthread_mutex_unlock(&s->lock);
		return got;
	}
	poll_wire(s, n);
	while (s->replay == 0 && got < n && used(q) > 0)
		pkts[got++] = pop(q);
	pthread_mutex_unlock(&s->lock);
	return got;
}

uint16_t
simnic_tx(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct simnic_queue *q = queue;
	struct simnic *s = q->nic;
	uint16_t taken = 0;

	pthread_mutex_lock(&s->lock);
	transmit(s, q);
	while (taken < n && used(q) < q->size)
		push(q, pkts[taken++]);
	transmit(s, q);
	pthread_mutex_unlock(&s->lock);
	return taken;
}

static void
release(struct simnic_queue **slot)
{
	flush(*slot);
	rte_free(*slot);
	*slot = NULL;
}

static void
rx_release(struct rte_eth_dev *dev, uint16_t id)
{
	release(&simnic_of(dev)->rxq[id]);
}

static void
tx_release(struct rte_eth_dev *dev, uint16_t id)
{
	release(&simnic_of(dev)->txq[id]);
}

static struct simnic_queue *
make_queue(struct simnic *s, uint16_t id, uint16_t descriptors, struct rte_mempool *pool)
{
	uint32_t size = rte_align32pow2(descriptors);
	struct simnic_queue *q =
		rte_zmalloc("simnic_queue", sizeof(*q) + size * sizeof(q->ring[0]), 0);

	if (q == NULL)
		return NULL;
	q->nic = s;
	q->id = id;
	q->size = size;
	q->pool = pool;
	return q;
}

static int
rx_setup(struct rte_eth_dev *dev, uint16_t id, uint16_t descriptors,
	 __rte_unused unsigned int socket, __rte_unused const struct rte_eth_rxconf *conf,
	 struct rte_mempool *pool)
{
	struct simnic *s = simnic_of(dev);

	release(&s->rxq[id]);
	dev->data->rx_queues[id] = s->rxq[id] = make_queue(s, id, descriptors, pool);
	return s->rxq[id] != NULL ? 0 : -ENOMEM;
}

static int
tx_setup(struct rte_eth_dev *dev, uint16_t id, uint16_t descriptors,
	 __rte_unused unsigned int socket, __rte_unused const struct rte_eth_txconf *conf)
{
	struct simnic *s = simnic_of(dev);

	release(&s->txq[id]);
	dev->data->tx_queues[id] = s->txq[id] = make_queue(s, id, descriptors, NULL);
	return s->txq[id] != NULL ? 0 : -ENOMEM;
}

/* ethdev has checked masks and queues. */
static int
reta_update(struct rte_eth_dev *dev, struct rte_eth_rss_reta_entry64 *conf, uint16_t size)
{
	struct simnic *s = simnic_of(dev);

	if (size != SIMNIC_RETA)
		return -EINVAL;
	pthread_mutex_lock(&s->lock);
	s->calls.reta_update++;
	for (uint32_t i = 0; i < size; i++)
		if (conf[i / RTE_ETH_RETA_GROUP_SIZE].mask & RTE_BIT64(i % RTE_ETH_RETA_GROUP_SIZE))
			s->reta[i] =
				conf[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE];
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int
reta_query(struct rte_eth_dev *dev, struct rte_eth_rss_reta_entry64 *conf, uint16_t size)
{
	struct simnic *s = simnic_of(dev);

	if (size != SIMNIC_RETA)
		return -EINVAL;
	pthread_mutex_lock(&s->lock);
	for (uint32_t i = 0; i < size; i++)
		if (conf[i / RTE_ETH_RETA_GROUP_SIZE].mask & RTE_BIT64(i % RTE_ETH_RETA_GROUP_SIZE))
			conf[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] =
				s->reta[i];
	pthread_mutex_unlock(&s->lock);
	return 0;
}

void
simnic_queue_ops(struct eth_dev_ops *ops)
{
	ops->rx_queue_setup = rx_setup;
	ops->rx_queue_release = rx_release;
	ops->tx_queue_setup = tx_setup;
	ops->tx_queue_release = tx_release;
	ops->reta_update = reta_update;
	ops->reta_query = reta_query;
}
