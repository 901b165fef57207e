/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * The view: what goes into it is found again, in its own segment only, and nothing else is. Against
 * a naive list with random addresses; the seed is printed.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "dataplane/view.h"

#define MAC(n) (UINT64_C(0x525400000000) + (n))
#define MOST 4096

static unsigned int seed;
static struct view_spec *spec;
static struct view_spec_address addresses[MOST + 1];

/* Two uplinks, all ports up in vepa mode, odd ones on the second uplink. */
static int
setup(void **state)
{
	(void)state;
	spec = calloc(1, sizeof(*spec));
	assert_non_null(spec);
	spec->generation = 7;
	spec->addresses = addresses;
	for (uint16_t u = 0; u < 2; u++) {
		spec->uplinks[u] =
			(struct view_uplink){.in_use = true, .segment = u, .max_frame = 1518};
		spec->uplink_macs[u] = UINT64_C(0x020000000001) + u;
	}
	for (uint16_t p = 0; p < MAX_PORTS; p++)
		spec->ports[p] = (struct view_port){
			.up = true, .mode = MODE_VEPA, .segment = p % 2, .uplink = p % 2};
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	free(spec);
	return 0;
}

static void
add(uint64_t mac, uint16_t port)
{
	addresses[spec->n_addresses++] = (struct view_spec_address){.mac = mac, .port = port};
}

static struct view *
build(int want)
{
	struct view *v = NULL;

	assert_int_equal(view_build(spec, &v), want);
	assert_non_null(v);
	return v;
}

static void
empty(void **state)
{
	struct view *v;

	(void)state;
	memset(spec, 0, sizeof(*spec));
	v = build(0);
	assert_int_equal(v->n_addresses, 0);
	for (uint16_t s = 0; s < MAX_UPLINKS; s++) {
		assert_int_equal(view_owner(v, s, MAC(1)), NO_PORT);
		assert_int_equal(view_owner(v, s, 0), NO_PORT);
		assert_int_equal(v->segments[s].passthru, NO_PORT);
		assert_true(portset_empty(&v->segments[s].up));
	}
	view_free(v);
	view_free(NULL);
}

/* n addresses over all ports: each is found with its port, and not in the other segment. */
static void
check_n(uint32_t n)
{
	struct view *v;

	spec->n_addresses = 0;
	for (uint32_t i = 0; i < n; i++)
		add(MAC(i), (uint16_t)(i % MAX_PORTS));
	v = build(0);
	assert_int_equal(v->generation, 7);
	assert_int_equal(v->n_addresses, n);
	assert_true(v->n_slots >= 2 * n);
	assert_int_equal(v->n_slots & (v->n_slots - 1), 0);
	for (uint32_t i = 0; i < n; i++) {
		uint16_t segment = i % 2;

		assert_int_equal(view_owner(v, segment, MAC(i)), i % MAX_PORTS);
		assert_int_equal(view_owner(v, !segment, MAC(i)), NO_PORT);
		assert_int_equal(view_owner(v, 2, MAC(i)), NO_PORT);
	}
	for (uint32_t i = n; i < n + 20000; i++)
		assert_int_equal(view_owner(v, i % 2, MAC(i)), NO_PORT);
	assert_int_equal(view_owner(v, 0, 0), NO_PORT);
	assert_int_equal(view_owner(v, 1, 0), NO_PORT);
	assert_int_equal(view_owner(v, 15, MAC_BROADCAST), NO_PORT);
	view_free(v);
}

static void
lookup(void **state)
{
	(void)state;
	check_n(1);
	check_n(8);
	check_n(9);
	check_n(256);
	check_n(MOST);
}

static void
same_address_in_two_segments(void **state)
{
	struct view *v;

	(void)state;
	add(MAC(1), 0);
	add(MAC(1), 1);
	v = build(0);
	assert_int_equal(view_owner(v, 0, MAC(1)), 0);
	assert_int_equal(view_owner(v, 1, MAC(1)), 1);
	view_free(v);
}

static void
duplicates(void **state)
{
	struct view *v;

	(void)state;
	add(MAC(1), 0);
	add(MAC(2), 2);
	add(MAC(1), 2); /* the same segment: the first keeps it */
	add(MAC(3), 4); /* and what comes after it still goes in */
	v = build(-EEXIST);
	assert_int_equal(view_owner(v, 0, MAC(1)), 0);
	assert_int_equal(view_owner(v, 0, MAC(3)), 4);
	assert_int_equal(v->n_addresses, 3);
	view_free(v);
	/* the same port twice is no conflict */
	addresses[2].port = 0;
	v = build(0);
	assert_int_equal(v->n_addresses, 3);
	view_free(v);
	/* nor is an owner that is down */
	addresses[2].port = 2;
	spec->ports[0].up = false;
	v = build(0);
	assert_int_equal(view_owner(v, 0, MAC(1)), 2);
	view_free(v);
}

static void
down_ports_own_nothing(void **state)
{
	uint64_t group = UINT64_C(0x01005e010101);
	const struct view_address *a;
	struct view *v;

	(void)state;
	spec->ports[0].up = false;
	spec->promisc[0] = spec->allmulticast[0] = true;
	spec->ports[4].mode = MODE_PASSTHRU; /* known as such, up or not */
	spec->ports[4].up = false;
	spec->ports[6].mode = 0; /* no such port, whatever the rest says */
	add(MAC(1), 0);
	add(group, 0);
	add(group, 2);
	v = build(0);
	assert_int_equal(view_owner(v, 0, MAC(1)), NO_PORT);
	assert_false(portset_has(&v->segments[0].up, 0));
	assert_false(portset_has(&v->segments[0].vepa, 0));
	assert_false(portset_has(&v->segments[0].promisc, 0));
	assert_false(portset_has(&v->segments[0].open_multicast, 0));
	assert_false(portset_has(&v->segments[0].up, 4));
	assert_int_equal(v->segments[0].passthru, 4);
	assert_int_equal(v->segments[1].passthru, NO_PORT);
	assert_false(portset_has(&v->segments[0].up, 6));
	a = view_lookup(v, view_key(0, group));
	assert_non_null(a);
	assert_int_equal(portset_count(&v->groups[a->value]), 1);
	assert_true(portset_has(&v->groups[a->value], 2));
	view_free(v);
}

static void
segments(void **state)
{
	struct view *v;

	(void)state;
	spec->hairpin[1] = true;
	spec->ports[1].mode = MODE_BRIDGE;
	spec->ports[3].mode = MODE_PRIVATE;
	spec->promisc[1] = spec->allmulticast[3] = true;
	v = build(0);
	assert_int_equal(v->segments[0].uplink_mac, 0x020000000001);
	assert_int_equal(v->segments[1].uplink_mac, 0x020000000002);
	assert_false(v->segments[0].hairpin);
	assert_true(v->segments[1].hairpin);
	assert_int_equal(v->segments[1].uplink, 1);
	assert_int_equal(portset_count(&v->segments[0].vepa), MAX_PORTS / 2);
	assert_int_equal(portset_count(&v->segments[1].up), MAX_PORTS / 2);
	assert_int_equal(portset_count(&v->segments[1].vepa), MAX_PORTS / 2 - 2);
	assert_int_equal(portset_count(&v->segments[1].bridge), 1);
	assert_int_equal(portset_count(&v->segments[1].promisc), 1);
	assert_int_equal(portset_count(&v->segments[1].open_multicast), 2);
	assert_int_equal(v->uplinks[1].max_frame, 1518);
	view_free(v);
}

static void
groups_with_many_members(void **state)
{
	const struct view_address *a;
	struct view *v;

	(void)state;
	for (uint16_t p = 0; p < MAX_PORTS; p++)
		for (uint64_t g = 0; g < 10; g++)
			if (p % (g + 1) == 0)
				add(UINT64_C(0x333300000100) + g, p);
	v = build(0);
	assert_int_equal(v->n_addresses, 10 + 5);
	for (uint16_t s = 0; s < 2; s++)
		for (uint64_t g = 0; g < 10; g++) {
			a = view_lookup(v, view_key(s, UINT64_C(0x333300000100) + g));
			/* multiples of 2, 4, .. 10 are all on the even side */
			if (s == 1 && g % 2 == 1) {
				assert_null(a);
				continue;
			}
			assert_non_null(a);
			for (uint16_t p = 0; p < MAX_PORTS; p++)
				assert_int_equal(portset_has(&v->groups[a->value], p),
						 p % 2 == s && p % (g + 1) == 0);
		}
	view_free(v);
}

static void
poll_lists(void **state)
{
	struct view_poll polls[60];
	struct view *v;
	uint16_t n = 0;

	(void)state;
	spec->polls = polls;
	for (uint16_t w = 0; w < MAX_WORKERS; w += 3) {
		spec->n_polls[w] = w % 7;
		for (uint16_t i = 0; i < w % 7; i++)
			polls[n++] =
				(struct view_poll){.from_wire = i == 0, .index = w, .queue = i};
	}
	v = build(0);
	memset(polls, 0xff, sizeof(polls)); /* borrowed for the call only */
	for (uint16_t w = 0; w < MAX_WORKERS; w++) {
		const struct view_worker *vw = &v->workers[w];

		assert_int_equal(vw->n_polls, w % 3 == 0 ? w % 7 : 0);
		for (uint16_t i = 0; i < vw->n_polls; i++) {
			assert_int_equal(vw->polls[i].from_wire, i == 0);
			assert_int_equal(vw->polls[i].index, w);
			assert_int_equal(vw->polls[i].queue, i);
		}
	}
	view_free(v);
}

/* The naive list: who of the first n addresses has it, or NO_PORT. */
static uint16_t
naive_owner(uint32_t n, uint16_t segment, uint64_t mac)
{
	for (uint32_t i = 0; i < n; i++)
		if (addresses[i].mac == mac && spec->ports[addresses[i].port].up &&
		    spec->ports[addresses[i].port].segment == segment)
			return addresses[i].port;
	return NO_PORT;
}

static bool
naive_member(uint16_t segment, uint64_t mac, uint16_t port)
{
	for (uint32_t i = 0; i < spec->n_addresses; i++)
		if (addresses[i].mac == mac && addresses[i].port == port)
			return spec->ports[port].up && spec->ports[port].segment == segment;
	return false;
}

static void
check_address(const struct view *v, uint16_t segment, uint64_t mac)
{
	const struct view_address *a = view_lookup(v, view_key(segment, mac));
	uint16_t owner = naive_owner(spec->n_addresses, segment, mac);

	if ((mac & MAC_MULTICAST_BIT) == 0) {
		assert_int_equal(view_owner(v, segment, mac), owner);
		return;
	}
	assert_int_equal(a != NULL, owner != NO_PORT);
	for (uint16_t p = 0; p < MAX_PORTS && a != NULL; p++)
		assert_int_equal(portset_has(&v->groups[a->value], p),
				 naive_member(segment, mac, p));
}

/* Few different addresses, so that groups have members, duplicates come up and slots collide. */
static uint64_t
random_mac(uint32_t spread)
{
	uint64_t mac = UINT64_C(0x520000000001) + (uint64_t)rand() % spread;

	return rand() % 3 == 0 ? mac | MAC_MULTICAST_BIT : mac << (rand() % 3 == 0 ? 1 : 0);
}

static void
against_a_naive_list(void **state)
{
	(void)state;
	print_message("seed %u (repeat with SEED=%u)\n", seed, seed);
	for (int round = 0; round < 200; round++) {
		uint32_t n = (uint32_t)rand() % 300, spread = 1 + (uint32_t)rand() % 400;
		int want = 0;
		struct view *v;

		spec->n_addresses = 0;
		for (uint16_t p = 0; p < MAX_PORTS; p++)
			spec->ports[p].up = rand() % 4 != 0;
		for (uint32_t i = 0; i < n; i++) {
			uint16_t port = (uint16_t)(rand() % MAX_PORTS);
			uint64_t mac = random_mac(spread);
			uint16_t owner = naive_owner(i, spec->ports[port].segment, mac);

			add(mac, port);
			if (owner != NO_PORT && owner != port && spec->ports[port].up &&
			    (mac & MAC_MULTICAST_BIT) == 0)
				want = -EEXIST;
		}
		v = build(want);
		for (uint32_t i = 0; i < n; i++) {
			check_address(v, 0, addresses[i].mac);
			check_address(v, 1, addresses[i].mac);
		}
		for (int i = 0; i < 300; i++)
			check_address(v, (uint16_t)(rand() % 3), random_mac(spread * 2));
		view_free(v);
	}
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(empty),
		TEST(lookup),
		TEST(same_address_in_two_segments),
		TEST(duplicates),
		TEST(down_ports_own_nothing),
		TEST(segments),
		TEST(groups_with_many_members),
		TEST(poll_lists),
		TEST(against_a_naive_list),
	};

	seed = (unsigned int)time(NULL);
	if (getenv("SEED") != NULL)
		seed = (unsigned int)strtoul(getenv("SEED"), NULL, 10);
	srand(seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
