/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * `worker show` as JSON: how busy each worker is and what each of its queues costs. Called by
 * commands.c on the control thread; reads the view and the timer's samples, changes nothing.
 */
#include "control/poll_plan.h"
#include "control/show.h"

/* What was counted in the last full second. */
struct rate {
	uint64_t cycles, packets;
	double seconds;
};

static double
per_packet(const struct rate *r)
{
	return r->packets == 0 ? 0.0 : (double)r->cycles / (double)r->packets;
}

static double
per_second(const struct rate *r)
{
	return r->seconds <= 0 ? 0.0 : (double)r->packets / r->seconds;
}

static double
percent(uint64_t part, uint64_t all)
{
	return all == 0 ? 0.0 : 100.0 * (double)part / (double)all;
}

/* The lower of the two where a slot was cleared in between. */
static uint64_t
grown(uint64_t new, uint64_t old)
{
	return new > old ? new - old : 0;
}

static double
sample_seconds(const struct daemon *d)
{
	const struct load_sample *s = d->workers.samples;

	return s[1].tsc == 0 ? 0.0 : (double)(s[0].tsc - s[1].tsc) / (double)rte_get_tsc_hz();
}

static const char *
poll_name(const struct daemon *d, const struct view_poll *p)
{
	return p->from_wire ? d->uplinks[p->index]->settings.name
			    : d->ports[p->index]->settings.name;
}

static bool
is_pinned(const struct daemon *d, const struct view_poll *p, uint32_t worker)
{
	if (p->from_wire)
		return d->uplinks[p->index]->settings.queue_workers[p->queue] == worker + 1;
	return p->queue < MAX_QUEUE_PAIRS &&
	       d->ports[p->index]->settings.queue_workers[p->queue] == worker + 1;
}

static json_t *
json_queue(const struct daemon *d, const struct view_poll *p, uint32_t worker, uint64_t all)
{
	uint16_t slot = view_poll_slot(p);
	const struct queue_load *new = &d->workers.samples[0].queues[slot];
	const struct queue_load *old = &d->workers.samples[1].queues[slot];
	struct rate r = {.cycles = grown(new->cycles, old->cycles),
			 .packets = grown(new->packets, old->packets),
			 .seconds = sample_seconds(d)};

	return json_pack("{s:s, s:s, s:i, s:f, s:f, s:f, s:b}", "kind",
			 p->from_wire ? "uplink" : "port", "name", poll_name(d, p), "queue",
			 (int)p->queue, "busy_percent", percent(r.cycles, all),
			 "packets_per_second", per_second(&r), "cycles_per_packet", per_packet(&r),
			 "pinned", (int)is_pinned(d, p, worker));
}

/* The short form: what is polled. */
static json_t *
json_poll(const struct daemon *d, const struct view_poll *p)
{
	return json_pack("{s:s, s:i}", p->from_wire ? "uplink" : "port", poll_name(d, p), "queue",
			 (int)p->queue);
}

/* How it rests: not at all, until somebody gives a sign, or in steps, because not everybody can. */
static const char *
rest_name(const struct daemon *d, const struct worker_load *load)
{
	if (d->settings.idle == IDLE_POLL)
		return "poll";
	return load->deaf ? "steps" : "signs";
}

json_t *
show_worker(const struct daemon *d, uint32_t worker)
{
	const struct view_worker *polled = &dataplane_view(d->dp)->workers[worker];
	const struct worker_load *new = &d->workers.samples[0].workers[worker];
	const struct worker_load *old = &d->workers.samples[1].workers[worker];
	struct rate r = {.cycles = grown(new->busy_cycles, old->busy_cycles),
			 .packets = grown(new->packets, old->packets),
			 .seconds = sample_seconds(d)};
	uint64_t all = r.cycles + grown(new->idle_cycles, old->idle_cycles);
	json_t *polls = json_array(), *queues = json_array();
	struct worker_load now;

	for (uint32_t i = 0; i < polled->n_polls; i++) {
		json_array_append_new(polls, json_poll(d, &polled->polls[i]));
		json_array_append_new(queues, json_queue(d, &polled->polls[i], worker, all));
	}
	dataplane_worker_load(d->dp, worker, &now);
	return json_pack("{s:i, s:i, s:i, s:i, s:f, s:f, s:f, s:I, s:I, s:I, s:s, s:I, s:o, s:o}",
			 "worker", (int)worker, "lcore", (int)now.lcore, "cpu", (int)now.cpu,
			 "numa_node", now.numa_node, "busy_percent", percent(r.cycles, all),
			 "packets_per_second", per_second(&r), "cycles_per_packet", per_packet(&r),
			 "packets", (json_int_t)now.packets, "busy_cycles",
			 (json_int_t)now.busy_cycles, "idle_cycles", (json_int_t)now.idle_cycles,
			 "rest", rest_name(d, &now), "sleeps", (json_int_t)now.sleeps, "polls",
			 polls, "queues", queues);
}
