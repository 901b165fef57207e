/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Makes a view, the immutable picture that workers forward by, from what control asks for: one
 * block of memory with the address table, the multicast groups and each worker's poll list behind
 * the struct. Called by the control thread (control/publish.c) and by unit tests; needs no EAL.
 */
#include "dataplane/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define CACHE_LINE 64

static size_t
align_up(size_t n)
{
	return (n + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
}

static uint64_t
random_odd(void)
{
	uint64_t r;

	/* Without entropy (early boot) a fixed factor is still a correct one. */
	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = UINT64_C(0x9e3779b97f4a7c15);
	return r | 1;
}

/* The slot where key is or would go. */
static struct view_address *
slot_for(struct view_address *slots, const struct view *v, uint64_t key)
{
	uint32_t mask = v->n_slots - 1;
	uint32_t i = (uint32_t)(key * v->hash_factor >> v->hash_shift);

	while (slots[i].key != 0 && slots[i].key != key)
		i = (i + 1) & mask;
	return &slots[i];
}

static int
insert_address(struct view *v, struct view_address *slots, struct portset *groups,
	       uint32_t *n_groups, const struct view_spec_address *a)
{
	const struct view_port *port = &v->ports[a->port];
	uint64_t key = view_key(port->segment, a->mac);
	struct view_address *slot = slot_for(slots, v, key);
	bool is_new = slot->key == 0;

	if ((a->mac & MAC_MULTICAST_BIT) == 0) {
		if (!is_new)
			return slot->value == a->port ? 0 : -EEXIST;
		slot->value = a->port;
	} else {
		if (is_new)
			slot->value = (*n_groups)++;
		portset_add(&groups[slot->value], a->port);
	}
	if (is_new) {
		slot->key = key;
		v->n_addresses++;
	}
	return 0;
}

static void
fill_segments(struct view *v, const struct view_spec *spec)
{
	for (uint16_t u = 0; u < MAX_UPLINKS; u++) {
		struct view_segment *s = &v->segments[v->uplinks[u].segment];

		if (!v->uplinks[u].in_use)
			continue;
		s->uplink = u;
		s->uplink_mac = spec->uplink_macs[u];
		s->hairpin = spec->hairpin[u];
	}
	for (uint16_t s = 0; s < MAX_UPLINKS; s++)
		v->segments[s].passthru = NO_PORT;
	for (uint16_t p = 0; p < MAX_PORTS; p++) {
		const struct view_port *port = &v->ports[p];
		struct view_segment *s = &v->segments[port->segment];

		if (port->mode == MODE_PASSTHRU)
			s->passthru = p;
		if (port->mode == 0 || !port->up)
			continue;
		portset_add(&s->up, p);
		if (port->mode == MODE_VEPA)
			portset_add(&s->vepa, p);
		if (port->mode == MODE_BRIDGE)
			portset_add(&s->bridge, p);
		if (spec->promisc[p])
			portset_add(&s->promisc, p);
		if (spec->promisc[p] || spec->allmulticast[p])
			portset_add(&s->open_multicast, p);
	}
}

/* Which ports may skip the lookup on a queue of their own. */
static void
fill_short_cuts(struct view *v, const struct view_spec *spec)
{
	uint16_t unicast[MAX_PORTS] = {0};

	for (uint32_t i = 0; i < spec->n_addresses; i++) {
		const struct view_spec_address *a = &spec->addresses[i];

		if (a->mac & MAC_MULTICAST_BIT)
			continue;
		unicast[a->port]++;
		v->ports[a->port].mac = a->mac;
	}
	for (uint16_t p = 0; p < MAX_PORTS; p++) {
		const struct view_segment *s = &v->segments[v->ports[p].segment];
		struct portset open = portset_or(&s->vepa, &s->bridge);

		v->ports[p].short_cut = v->ports[p].up && unicast[p] == 1 &&
					memcmp(&open, &s->up, sizeof(open)) == 0;
	}
}

static void
fill_polls(struct view *v, const struct view_spec *spec, struct view_poll *polls)
{
	uint32_t done = 0;

	for (uint32_t w = 0; w < MAX_WORKERS; w++) {
		v->workers[w].n_polls = spec->n_polls[w];
		v->workers[w].polls = &polls[done];
		if (spec->n_polls[w] > 0)
			memcpy(&polls[done], &spec->polls[done], spec->n_polls[w] * sizeof(*polls));
		done += spec->n_polls[w];
	}
}

int
view_build(const struct view_spec *spec, struct view **out)
{
	size_t slots_at, groups_at, polls_at, size;
	uint32_t bits = 4, n_polls = 0, n_groups = 0;
	struct view_address *slots;
	struct view *v;
	int err = 0;

	while ((UINT32_C(1) << bits) < spec->n_addresses * 2)
		bits++;
	for (uint32_t w = 0; w < MAX_WORKERS; w++)
		n_polls += spec->n_polls[w];
	slots_at = align_up(sizeof(*v));
	groups_at = slots_at + align_up(sizeof(struct view_address) << bits);
	polls_at = groups_at + align_up(sizeof(struct portset) * spec->n_addresses);
	size = polls_at + align_up(sizeof(struct view_poll) * n_polls);
	v = aligned_alloc(CACHE_LINE, size);
	if (v == NULL)
		return -ENOMEM;
	memset(v, 0, size);
	slots = (struct view_address *)((char *)v + slots_at);
	v->generation = spec->generation;
	v->hash_factor = random_odd();
	v->hash_shift = 64 - bits;
	v->n_slots = UINT32_C(1) << bits;
	v->slots = slots;
	v->groups = (const struct portset *)((char *)v + groups_at);
	memcpy(v->uplinks, spec->uplinks, sizeof(v->uplinks));
	memcpy(v->ports, spec->ports, sizeof(v->ports));
	fill_segments(v, spec);
	fill_short_cuts(v, spec);
	fill_polls(v, spec, (struct view_poll *)((char *)v + polls_at));
	for (uint32_t i = 0; i < spec->n_addresses; i++) {
		const struct view_spec_address *a = &spec->addresses[i];
		int ret = 0;

		if (v->ports[a->port].up)
			ret = insert_address(v, slots, (struct portset *)((char *)v + groups_at),
					     &n_groups, a);
		if (ret != 0)
			err = ret;
	}
	*out = v;
	return err;
}

void
view_free(struct view *v)
{
	free(v);
}
