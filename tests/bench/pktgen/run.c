/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * One run: warm up, measure, and wait for what is still under way. The loop does what is due and
 * counts the cycles of rounds in which nothing was: a generator without idle rounds is the limit of
 * what it measured. Called for a command of the harness; nothing else happens meanwhile.
 */
#include <string.h>
#include <time.h>

#include "tests/bench/pktgen/pktgen.h"

#define LATE_FRAMES 256     /* further behind its rate a sender gives up what it missed */
#define GATHER_SECONDS 2e-6 /* at full speed, few frames are left to become more for so long */
#define QUIET_SECONDS 0.02  /* nothing came for so long: nothing is under way */
#define DRAIN_SECONDS 0.5

/* What had been counted when the measurement began or ended. */
struct snapshot {
	uint64_t at, frames, bytes, sent[MAX_SENDERS];
};

static struct snapshot
take_snapshot(const struct run *r)
{
	struct snapshot s = {.at = tsc()};

	for (unsigned int i = 0; i < r->n_receivers; i++) {
		s.frames += r->receivers[i]->frames;
		s.bytes += r->receivers[i]->bytes;
	}
	for (unsigned int i = 0; i < r->n_senders; i++)
		s.sent[i] = r->senders[i].sent;
	return s;
}

/* How many frames are due. Being late is the generator's fault, so not much of it is made up for:
 * a burst of what was missed would be lost in the switch, and look like the switch's loss. */
static uint16_t
frames_due(struct sender *s, uint64_t now)
{
	uint64_t by_now = (uint64_t)((double)(now - s->start) * s->per_tick);
	uint64_t due = by_now > s->offered ? by_now - s->offered : 0;

	if (due > LATE_FRAMES) {
		s->slipped += due - BURST;
		s->offered += due - BURST;
		due = BURST;
	}
	return due < BURST ? due : BURST;
}

static bool
sender_round(struct run *r, struct sender *s, uint64_t now)
{
	uint16_t due, sent;

	if (s->per_tick == 0)
		return frames_send(s, r->id, BURST, s->port->tap ? 1 : BURST, now) > 0;
	due = frames_due(s, now);
	if (due == 0)
		return false;
	/* As on a wire: what finds no room is lost, it does not wait. */
	sent = frames_send(s, r->id, due, 1, now);
	s->refused += due - sent;
	s->offered += due;
	return true;
}

static bool
receivers_round(const struct pktgen *g, struct run *r, uint64_t now)
{
	uint64_t gather = (uint64_t)(GATHER_SECONDS * g->hz);
	bool worked = false;

	for (unsigned int i = 0; i < r->n_receivers; i++) {
		struct port *p = r->receivers[i];
		bool patient = !r->paced && now - p->polled < gather;

		if (frames_receive(r, p, patient ? BURST : 1) > 0) {
			p->polled = now;
			worked = true;
		}
	}
	return worked;
}

/* Until `until`, a TSC value. */
static void
rounds(const struct pktgen *g, struct run *r, uint64_t until)
{
	uint64_t now = tsc();

	while (now < until) {
		bool worked = false;
		uint64_t end;

		for (unsigned int i = 0; i < r->n_senders; i++)
			worked |= sender_round(r, &r->senders[i], now);
		worked |= receivers_round(g, r, now);
		if (!worked && !r->paced)
			relax(); /* the switch needs the cache lines that we would look at */
		end = tsc();
		r->idle += worked ? 0 : end - now;
		r->total += end - now;
		if (end - now > r->pause)
			r->pause = end - now;
		now = end;
	}
}

static void
drain(const struct pktgen *g, struct run *r)
{
	uint64_t now = tsc(), last = now;
	uint64_t end = now + (uint64_t)(DRAIN_SECONDS * g->hz);

	while (now < end && now - last < (uint64_t)(QUIET_SECONDS * g->hz)) {
		uint64_t before = 0, after = 0;

		for (unsigned int i = 0; i < r->n_receivers; i++) {
			before += r->receivers[i]->marked;
			frames_receive(r, r->receivers[i], 1);
			after += r->receivers[i]->marked;
		}
		now = tsc();
		if (after != before)
			last = now;
	}
}

static void
reset(struct run *r)
{
	for (unsigned int i = 0; i < r->n_receivers; i++) {
		struct port *p = r->receivers[i];

		p->frames = p->bytes = p->marked = p->reordered = 0;
		memset(p->last, 0, sizeof(p->last));
		memset(p->from, 0, sizeof(p->from));
		p->polled = 0;
	}
	for (unsigned int i = 0; i < r->n_senders; i++) {
		struct sender *s = &r->senders[i];

		s->offered = s->sent = s->refused = s->slipped = 0;
		frames_prepare(s);
	}
	for (unsigned int i = 0; i < r->n_senders; i++)
		r->senders[i].start = tsc();
}

static json_t *
latency_json(const struct pktgen *g, const struct histogram *h)
{
	double us = 1e6 / g->hz;

	return json_pack("{s:I s:f s:f s:f s:f}", "count", (json_int_t)h->count, "p50",
			 (double)histogram_quantile(h, 0.5) * us, "p99",
			 (double)histogram_quantile(h, 0.99) * us, "p99.9",
			 (double)histogram_quantile(h, 0.999) * us, "max", (double)h->max * us);
}

static json_t *
senders_json(const struct run *r, const struct snapshot *from, const struct snapshot *to)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < r->n_senders; i++) {
		const struct sender *s = &r->senders[i];

		json_array_append_new(
			list, json_pack("{s:s s:I s:I s:I s:I}", "port", s->port->name, "sent",
					(json_int_t)s->sent, "measured",
					(json_int_t)(to->sent[i] - from->sent[i]), "refused",
					(json_int_t)s->refused, "slipped", (json_int_t)s->slipped));
	}
	return list;
}

static json_t *
receivers_json(const struct run *r)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < r->n_receivers; i++) {
		const struct port *p = r->receivers[i];
		json_t *from = json_array();

		for (unsigned int s = 0; s < r->n_senders; s++)
			json_array_append_new(from, json_integer((json_int_t)p->from[s]));
		json_array_append_new(list, json_pack("{s:s s:I s:I s:I s:o}", "port", p->name,
						      "frames", (json_int_t)p->frames, "marked",
						      (json_int_t)p->marked, "reordered",
						      (json_int_t)p->reordered, "from", from));
	}
	return list;
}

json_t *
run_execute(struct pktgen *g, struct run *r)
{
	struct snapshot from, to;
	struct timespec start, end;
	double seconds;

	r->id = ++g->runs;
	reset(r);
	rounds(g, r, tsc() + (uint64_t)(r->warmup * g->hz));
	r->idle = r->total = r->pause = 0;
	clock_gettime(CLOCK_MONOTONIC, &start);
	from = take_snapshot(r);
	r->latency_from = from.at;
	rounds(g, r, from.at + (uint64_t)(r->seconds * g->hz));
	to = take_snapshot(r);
	clock_gettime(CLOCK_MONOTONIC, &end);
	seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
	if (r->n_senders > 0)
		drain(g, r);
	return json_pack("{s:f s:I s:I s:f s:f s:o s:o s:o}", "seconds", seconds, "frames",
			 (json_int_t)(to.frames - from.frames), "bytes",
			 (json_int_t)(to.bytes - from.bytes), "idle",
			 r->total > 0 ? (double)r->idle / (double)r->total : 0, "pause_us",
			 (double)r->pause * 1e6 / g->hz, "senders", senders_json(r, &from, &to),
			 "receivers", receivers_json(r), "latency", latency_json(g, &r->latency));
}
