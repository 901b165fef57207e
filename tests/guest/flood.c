/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * Numbered traffic at speed, on command: blast sends copies of a frame, each with the next number
 * in its last 8 bytes; a sink counts what arrives of them by sender (source MAC): received, gaps,
 * reordered, duplicates. Called by vguest's one loop.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "tests/guest/vguest.h"

static int
hex_digit(char c)
{
	if (!isxdigit((unsigned char)c))
		return -1;
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

int
blast_start(struct vguest *v, struct guest *g, uint64_t count, uint64_t rate, const char *hex)
{
	size_t length = strlen(hex) / 2;
	struct rte_mbuf *m;
	char *data;

	if (strlen(hex) % 2 != 0 || length < RTE_ETHER_HDR_LEN + 8)
		return -EINVAL;
	m = rte_pktmbuf_alloc(v->pool);
	if (m == NULL)
		return -ENOMEM;
	data = rte_pktmbuf_append(m, length);
	for (size_t i = 0; data != NULL && i < length; i++) {
		int hi = hex_digit(hex[2 * i]), lo = hex_digit(hex[2 * i + 1]);

		if (hi < 0 || lo < 0)
			data = NULL;
		else
			data[i] = hi << 4 | lo;
	}
	if (data == NULL) { /* no hex, or longer than one mbuf */
		rte_pktmbuf_free(m);
		return -EINVAL;
	}
	rte_pktmbuf_free(g->blast.template);
	g->blast = (struct blast){
		.template = m, .count = count, .rate = rate, .start_tsc = rte_get_tsc_cycles()};
	return 0;
}

/* How many frames are due now. */
static uint16_t
blast_due(const struct blast *b)
{
	uint64_t due = b->count - b->sent;

	if (b->rate > 0) {
		double s = (double)(rte_get_tsc_cycles() - b->start_tsc) / rte_get_tsc_hz();
		uint64_t by_now = (uint64_t)(s * b->rate);

		due = RTE_MIN(due, by_now > b->sent ? by_now - b->sent : 0);
	}
	return RTE_MIN(due, (uint64_t)BURST);
}

bool
blast_round(struct vguest *v, struct guest *g)
{
	struct blast *b = &g->blast;
	struct rte_mbuf *burst[BURST];
	uint16_t length, due, sent;

	if (b->template == NULL)
		return false;
	due = blast_due(b);
	if (due == 0 || rte_pktmbuf_alloc_bulk(v->pool, burst, due) != 0)
		return due != 0;
	length = b->template->data_len;
	for (uint16_t i = 0; i < due; i++) {
		rte_be64_t number = rte_cpu_to_be_64(SEQ_MAGIC << 48 | (b->sent + i));
		char *data = rte_pktmbuf_append(burst[i], length);

		memcpy(data, rte_pktmbuf_mtod(b->template, char *), length - sizeof(number));
		memcpy(data + length - sizeof(number), &number, sizeof(number));
	}
	sent = rte_eth_tx_burst(g->port_id, 0, burst, due);
	rte_pktmbuf_free_bulk(burst + sent, due - sent); /* sent again, same numbers, next round */
	b->sent += sent;
	g->tx += sent;
	if (b->sent == b->count) {
		rte_pktmbuf_free(b->template);
		b->template = NULL;
	}
	return sent > 0;
}

/* Counts from zero again. */
void
sink_start(struct guest *g)
{
	for (int i = 0; i < MAX_STREAMS; i++)
		free(g->streams[i].seen);
	memset(g->streams, 0, sizeof(g->streams));
	g->sink = true;
}

/* The sender's stream; a new one where there is room, else NULL. */
static struct stream *
find_stream(struct guest *g, const struct rte_ether_addr *src)
{
	struct stream *s = g->streams;

	for (; s < g->streams + MAX_STREAMS && s->seen != NULL; s++)
		if (rte_is_same_ether_addr(&s->src, src))
			return s;
	if (s == g->streams + MAX_STREAMS)
		return NULL;
	s->seen = calloc(SEQ_WINDOW / 64, sizeof(*s->seen));
	s->src = *src;
	return s->seen != NULL ? s : NULL;
}

static void
count_number(struct stream *s, uint64_t number)
{
	uint64_t *word = &s->seen[number % SEQ_WINDOW / 64];
	uint64_t bit = 1ull << number % 64;

	if (number >= s->next) { /* forget what falls out of the window */
		s->gaps += number - s->next;
		for (uint64_t n = s->next; n < number && n - s->next < SEQ_WINDOW; n++)
			s->seen[n % SEQ_WINDOW / 64] &= ~(1ull << n % 64);
		s->next = number + 1;
	} else if ((*word & bit) != 0) {
		s->duplicates++;
		return;
	} else {
		s->reorders++;
		s->gaps--;
	}
	*word |= bit;
	s->received++;
}

bool
sink_take(struct guest *g, const struct rte_mbuf *m)
{
	uint32_t length = rte_pktmbuf_pkt_len(m);
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const rte_be64_t *last;
	struct stream *s;
	rte_be64_t copy;

	if (!g->sink || length < sizeof(*eth) + sizeof(copy))
		return false;
	last = rte_pktmbuf_read(m, length - sizeof(copy), sizeof(copy), &copy);
	memcpy(&copy, last, sizeof(copy));
	copy = rte_be_to_cpu_64(copy);
	if (copy >> 48 != SEQ_MAGIC)
		return false;
	s = find_stream(g, &eth->src_addr);
	if (s == NULL)
		return false;
	count_number(s, copy & ((1ull << 48) - 1));
	return true;
}
