/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Which queue a worker looks at next. Called by the worker in each round. A guest's queue that was
 * empty for a while turns cold: cold queues are looked at in turn, all of them within
 * COLD_SWEEP_US, so that idle guests cost next to nothing and wait no longer than that when they
 * wake up.
 */
#include <rte_cycles.h>

#include "dataplane/worker.h"

#define HOT_ROUNDS 256   /* empty polls in a row that make a queue cold */
#define COLD_SWEEP_US 80 /* every cold queue is polled at least this often */

void
worker_adopt(struct worker *w, const struct view *v)
{
	const struct view_worker *mine = &v->workers[w->id];

	w->current = v;
	w->generation = v->generation;
	w->n_polls = RTE_MIN(mine->n_polls, (uint32_t)MAX_POLLS);
	w->n_hot = w->n_polls;
	w->next_cold = 0;
	w->cold_credit = 0;
	for (uint32_t i = 0; i < w->n_polls; i++)
		w->polls[i] = (struct poll_state){.poll = mine->polls[i],
						  .slot = view_poll_slot(&mine->polls[i]),
						  .burst = BURST};
}

static uint16_t
poll_queue(struct worker *w, struct poll_state *s)
{
	const struct view *v = w->current;
	const struct view_poll *p = &s->poll;
	struct rte_mbuf *pkts[BURST];
	uint16_t n;

	if (unlikely(s->held_until > w->now))
		return 0;
	if (p->from_wire) {
		n = endpoint_rx(&v->uplinks[p->index].endpoint, p->queue, pkts, s->burst);
		if (n > 0)
			from_wire_burst(w, s, pkts, n);
	} else {
		n = endpoint_rx(&v->ports[p->index].endpoint, p->queue, pkts, s->burst);
		if (n > 0)
			from_guest_burst(w, s, pkts, n);
	}
	return n;
}

/*
 * What a queue's frames cost: the time since the last queue that had some. So polls in vain are on
 * the account of who is found next, and the one reading of the clock is one that the worker needs
 * anyway, to know how busy it is.
 */
static void
account(struct worker *w, const struct poll_state *s, uint16_t n)
{
	struct queue_load *load = &w->queues[s->slot];
	uint64_t now = rte_rdtsc();

	load->cycles += now - w->clock;
	load->packets += n;
	w->clock = now;
}

/* The wire's shared queues stay hot: anybody's first frame comes there. */
static bool
may_cool(const struct view_poll *p)
{
	return !p->from_wire || p->owner != NO_PORT;
}

static void
swap_polls(struct worker *w, uint32_t a, uint32_t b)
{
	struct poll_state t = w->polls[a];

	w->polls[a] = w->polls[b];
	w->polls[b] = t;
}

static uint32_t
poll_hot(struct worker *w)
{
	uint32_t moved = 0;

	for (uint32_t i = 0; i < w->n_hot;) {
		struct poll_state *s = &w->polls[i];
		uint16_t n = poll_queue(w, s);

		if (n > 0)
			account(w, s, n);
		moved += n;
		s->idle_rounds = n > 0 ? 0 : (uint16_t)(s->idle_rounds + 1);
		if (s->idle_rounds >= HOT_ROUNDS && may_cool(&s->poll))
			swap_polls(w, i, --w->n_hot); /* and look at the one that came here */
		else
			i++;
	}
	return moved;
}

static uint32_t
poll_cold(struct worker *w, uint64_t elapsed)
{
	uint64_t sweep = w->dp->tsc_hz / 1000000 * COLD_SWEEP_US;
	uint32_t cold = w->n_polls - w->n_hot;
	uint32_t moved = 0;
	uint64_t due;

	w->cold_credit += elapsed * cold;
	due = RTE_MIN(w->cold_credit / sweep, (uint64_t)cold);
	w->cold_credit = due == cold ? 0 : w->cold_credit - due * sweep;
	for (; due > 0 && w->n_hot < w->n_polls; due--) {
		uint32_t i;
		uint16_t n;

		if (w->next_cold < w->n_hot || w->next_cold >= w->n_polls)
			w->next_cold = w->n_hot;
		i = w->next_cold++;
		n = poll_queue(w, &w->polls[i]);
		if (n == 0)
			continue;
		account(w, &w->polls[i], n);
		moved += n;
		w->polls[i].idle_rounds = 0;
		swap_polls(w, i, w->n_hot++);
	}
	return moved;
}

uint32_t
worker_poll(struct worker *w, uint64_t elapsed)
{
	uint32_t moved = poll_hot(w);

	if (w->n_hot < w->n_polls)
		moved += poll_cold(w, elapsed);
	return moved;
}
