/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * From the daemon's context to the list of queues and back to the view's polls; the planning itself
 * is placement.c's. Called on the control thread by publish.c, and by those who ask what would be
 * possible.
 *
 * Two rules make moves safe. No queue has two workers: one that moves is polled by nobody in the
 * view between. And no transmit queue has two: where one would pass from a worker to another, all
 * queues of that uplink and of its ports count as moving.
 */
#include "control/poll_plan.h"

#include <errno.h>
#include <string.h>

static uint32_t
mask_of(uint32_t workers)
{
	return workers >= MAX_WORKERS ? UINT32_MAX : (UINT32_C(1) << workers) - 1;
}

/* Of all devices that a frame of this uplink may be sent by. */
static uint32_t
fewest_tx_queues(const struct daemon *d, const struct uplink *u)
{
	uint32_t fewest = u->nic.tx_queues;

	for (uint32_t i = 0; i < MAX_PORTS; i++)
		if (d->ports[i] != NULL && d->ports[i]->uplink == u && !port_is_vhost(d->ports[i]))
			fewest = RTE_MIN(fewest, (uint32_t)d->ports[i]->nic.tx_queues);
	return RTE_MAX(fewest, 1U);
}

static uint32_t
pinned_mask(const uint8_t *list, uint32_t n)
{
	uint32_t mask = 0;

	for (uint32_t q = 0; q < n; q++)
		if (list[q] != 0)
			mask |= UINT32_C(1) << (list[q] - 1);
	return mask;
}

/* Workers that queue_workers of the uplink and of its ports name. */
static uint32_t
uplink_pins(const struct daemon *d, const struct uplink *u)
{
	uint32_t mask = pinned_mask(u->settings.queue_workers, MAX_NIC_QUEUES);

	for (uint32_t i = 0; i < MAX_PORTS; i++)
		if (d->ports[i] != NULL && d->ports[i]->uplink == u)
			mask |= pinned_mask(d->ports[i]->settings.queue_workers, MAX_QUEUE_PAIRS);
	return mask;
}

static void
serving_add(struct serving *s, uint32_t worker, uint32_t most)
{
	if (s->n == most || (s->mask >> worker & 1) != 0)
		return;
	s->mask |= UINT32_C(1) << worker;
	s->txq[worker] = (uint8_t)s->n++;
}

void
uplink_serving(const struct daemon *d, const struct uplink *u, struct serving *s)
{
	uint32_t workers = d->workers.n, most = fewest_tx_queues(d, u);
	uint32_t pins = uplink_pins(d, u);

	*s = (struct serving){0};
	if (workers <= most) {
		/* Each its own, whatever the number of workers: nothing moves when that changes. */
		s->mask = mask_of(workers);
		s->n = workers;
		for (uint32_t w = 0; w < MAX_WORKERS; w++)
			s->txq[w] = (uint8_t)w;
		return;
	}
	for (uint32_t w = 0; w < workers; w++)
		if ((pins >> w & 1) != 0)
			serving_add(s, w, most);
	for (uint32_t i = 0; i < workers; i++)
		serving_add(s, (u->index + i) % workers, most);
}

int
uplink_check_pins(const struct daemon *d, const struct uplink *u, uint32_t workers,
		  struct errmsg *e)
{
	uint32_t most = fewest_tx_queues(d, u);
	uint32_t pinned = (uint32_t)__builtin_popcount(uplink_pins(d, u));

	for (uint32_t q = u->nic.rx_queues; q < MAX_NIC_QUEUES; q++)
		if (u->settings.queue_workers[q] != 0)
			return err_set(e, -EINVAL,
				       "uplink %s: queue_workers: '%u:%u': there is no queue %u: "
				       "the device has receive queues 0 to %u",
				       u->settings.name, q, u->settings.queue_workers[q] - 1U, q,
				       u->nic.rx_queues - 1U);
	if (workers > most && pinned > most)
		return err_set(e, -EINVAL,
			       "uplink %s: queue_workers: the uplink's and its ports' name %u "
			       "workers, but up to %u can serve it: the device has %u transmit "
			       "queues",
			       u->settings.name, pinned, most, most);
	return 0;
}

static void
list_add(struct poll_plan *plan, const struct daemon *d, const struct view_poll *poll,
	 uint32_t allowed, uint8_t pin)
{
	uint16_t slot = view_poll_slot(poll);

	plan->polls[plan->n] = *poll;
	plan->queues[plan->n++] = (struct placed_queue){
		.class = poll->from_wire ? QUEUE_WIRE : QUEUE_PORT,
		.allowed = allowed,
		.pinned = pin != 0 ? (uint8_t)(pin - 1) : NO_WORKER,
		.worker = d->workers.placed[slot],
	};
}

static void
list_uplink(struct poll_plan *plan, const struct daemon *d, const struct uplink *u,
	    uint32_t allowed)
{
	for (uint16_t q = 0; !u->resetting && q < u->nic.rx_queues; q++) {
		const struct view_poll poll = {.from_wire = true,
					       .index = u->index,
					       .queue = q,
					       .owner = nic_steer_owner(&u->steer, q)};

		list_add(plan, d, &poll, allowed, u->settings.queue_workers[q]);
	}
}

static void
list_port(struct poll_plan *plan, const struct daemon *d, const struct port *p, uint32_t allowed)
{
	uint16_t queues = port_is_vhost(p) ? p->pairs : p->nic.rx_queues;

	for (uint16_t q = 0; port_is_up(p) && q < queues; q++) {
		const struct view_poll poll = {.index = p->index, .queue = q, .owner = NO_PORT};

		list_add(plan, d, &poll, allowed,
			 q < MAX_QUEUE_PAIRS ? p->settings.queue_workers[q] : 0);
	}
}

void
poll_plan_list(const struct daemon *d, struct poll_plan *plan)
{
	uint32_t allowed[MAX_UPLINKS] = {0};
	struct serving s;

	plan->n = 0;
	for (uint32_t i = 0; i < MAX_UPLINKS; i++) {
		if (d->uplinks[i] == NULL)
			continue;
		uplink_serving(d, d->uplinks[i], &s);
		allowed[i] = s.mask;
		list_uplink(plan, d, d->uplinks[i], s.mask);
	}
	for (uint32_t i = 0; i < MAX_PORTS; i++)
		if (d->ports[i] != NULL)
			list_port(plan, d, d->ports[i], allowed[d->ports[i]->uplink->index]);
}

/* Would a transmit queue pass from one worker to another? */
static bool
txq_passes(const struct view *old, const struct view_uplink *vu, const struct uplink *u,
	   const struct serving *new, const struct workers *w)
{
	const struct endpoint *was = &old->uplinks[u->index].endpoint;

	if (!old->uplinks[u->index].in_use || !vu->in_use)
		return false;
	for (uint32_t a = 0; a < MAX_WORKERS; a++) {
		if ((w->served[u->index] >> a & 1) == 0)
			continue;
		for (uint32_t b = 0; b < MAX_WORKERS; b++)
			if (a != b && (new->mask >> b & 1) != 0 && was->txq[a] == new->txq[b])
				return true;
	}
	return false;
}

static const struct uplink *
uplink_of(const struct daemon *d, const struct view_poll *poll)
{
	return poll->from_wire ? d->uplinks[poll->index] : d->ports[poll->index]->uplink;
}

static void
mark_moving(const struct daemon *d, struct poll_plan *plan, const bool passes[MAX_UPLINKS])
{
	plan->n_moving = 0;
	plan->ports_moving = false;
	for (uint32_t i = 0; i < plan->n; i++) {
		const struct view_poll *p = &plan->polls[i];
		uint8_t now = d->workers.published[view_poll_slot(p)];

		plan->moving[i] = now != NO_WORKER &&
				  (now != plan->queues[i].worker || passes[uplink_of(d, p)->index]);
		plan->n_moving += plan->moving[i];
		plan->ports_moving |= plan->moving[i] && !p->from_wire;
	}
}

/* Another number of workers: by count, and then by what the queues cost in the last second. */
static void
spread(const struct daemon *d, struct poll_plan *plan)
{
	const struct load_sample *new = &d->workers.samples[0], *old = &d->workers.samples[1];
	const struct balance_limits limits = {.load = 10, .gain = 10};
	struct balance_outcome ignored;

	for (uint32_t i = 0; i < plan->n; i++) {
		const struct view_poll *p = &plan->polls[i];
		uint16_t slot = view_poll_slot(p);

		if (new->queues[slot].cycles > old->queues[slot].cycles)
			plan->queues[i].cycles =
				new->queues[slot].cycles - old->queues[slot].cycles;
	}
	placement_spread(plan->queues, plan->n, d->workers.n);
	if (old->tsc != 0)
		placement_balance(plan->queues, plan->n, d->workers.n, new->tsc - old->tsc, limits,
				  &ignored);
}

void
poll_plan_make(const struct daemon *d, const struct view *old, struct view_spec *spec,
	       struct poll_plan *plan)
{
	bool passes[MAX_UPLINKS] = {false};
	struct serving s[MAX_UPLINKS];

	for (uint32_t i = 0; i < MAX_UPLINKS; i++) {
		struct view_uplink *vu = &spec->uplinks[i];

		if (d->uplinks[i] == NULL)
			continue;
		uplink_serving(d, d->uplinks[i], &s[i]);
		passes[i] = txq_passes(old, vu, d->uplinks[i], &s[i], &d->workers);
		memcpy(vu->endpoint.txq, s[i].txq, sizeof(vu->endpoint.txq));
		plan->served[i] = s[i].mask;
	}
	for (uint32_t i = 0; i < MAX_PORTS; i++)
		if (d->ports[i] != NULL)
			memcpy(spec->ports[i].endpoint.txq, s[d->ports[i]->uplink->index].txq,
			       sizeof(spec->ports[i].endpoint.txq));
	poll_plan_list(d, plan);
	if (d->workers.spread)
		spread(d, plan);
	else
		placement_fill(plan->queues, plan->n, d->workers.n);
	mark_moving(d, plan, passes);
}

static bool
is_polled(const struct daemon *d, const struct poll_plan *plan, uint32_t i)
{
	return (d->workers.parked >> plan->queues[i].worker & 1) == 0;
}

void
poll_plan_group(const struct daemon *d, struct poll_plan *plan, bool without_moving,
		struct view_spec *spec)
{
	uint32_t n = 0;

	for (uint32_t w = 0; w < MAX_WORKERS; w++) {
		uint32_t first = n;

		for (uint32_t i = 0; i < plan->n; i++)
			if (plan->queues[i].worker == w && is_polled(d, plan, i) &&
			    !(without_moving && plan->moving[i]))
				plan->grouped[n++] = plan->polls[i];
		spec->n_polls[w] = n - first;
	}
	spec->polls = plan->grouped;
}

/* Which slots are somebody's, up or not: what comes back finds its worker again. */
static bool
slot_in_use(const struct daemon *d, uint32_t slot)
{
	if (slot < MAX_UPLINKS * MAX_NIC_QUEUES)
		return d->uplinks[slot / MAX_NIC_QUEUES] != NULL;
	return d->ports[(slot - MAX_UPLINKS * MAX_NIC_QUEUES) / MAX_QUEUE_PAIRS] != NULL;
}

void
poll_plan_commit(struct daemon *d, const struct poll_plan *plan)
{
	memset(d->workers.published, NO_WORKER, sizeof(d->workers.published));
	for (uint32_t slot = 0; slot < QUEUE_SLOTS; slot++)
		if (!slot_in_use(d, slot))
			d->workers.placed[slot] = NO_WORKER;
	for (uint32_t i = 0; i < plan->n; i++) {
		const struct view_poll *p = &plan->polls[i];
		uint16_t slot = view_poll_slot(p);

		d->workers.placed[slot] = plan->queues[i].worker;
		if (is_polled(d, plan, i))
			d->workers.published[slot] = plan->queues[i].worker;
	}
	memcpy(d->workers.served, plan->served, sizeof(d->workers.served));
	d->workers.spread = false;
}
