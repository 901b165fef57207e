/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * The receive filter of the NIC (control/nic_filter.c) against a NIC made in nic_fake.h: no address
 * is lost on the way from one wish to the next, and at rest the tier is the mildest that is enough.
 */
#include "tests/unit/nic_fake.h"

static void
tier_is(uint64_t mac, enum filter_tier tier)
{
	assert_int_equal(wanted(mac)->tier, tier);
	assert_non_null(wanted(mac)->why);
	assert_string_not_equal(filter_tier_name(tier), "");
}

static void
modes_are(bool promiscuous, bool allmulticast)
{
	assert_int_equal(dev.promiscuous, promiscuous);
	assert_int_equal(dev.allmulticast, allmulticast);
	assert_int_equal(filter.promiscuous, promiscuous);
	assert_int_equal(filter.allmulticast, allmulticast);
	assert_int_equal(filter.promiscuous_why != NULL, promiscuous);
	assert_int_equal(filter.allmulticast_why != NULL, allmulticast);
}

static void
fits(void **state)
{
	static const uint64_t own[] = {OWN, UNICAST(0)};

	(void)state;
	apply(3, 3);
	modes_are(false, false);
	tier_is(UNICAST(2), TIER_MAC_FILTER);
	tier_is(GROUP(2), TIER_MAC_FILTER);
	assert_int_equal(dev.n_table, 3);
	apply_set(own, 2, false, false);
	modes_are(false, false);
	tier_is(OWN, TIER_OWN);
	assert_int_equal(dev.n_table, 1);
	assert_int_equal(dev.n_list, 0);
	apply(0, 0);
	modes_are(false, false);
	assert_int_equal(dev.n_table, 0);
}

static void
table_full(void **state)
{
	(void)state;
	apply(4, 1);
	modes_are(true, false);
	tier_is(UNICAST(2), TIER_MAC_FILTER);
	tier_is(UNICAST(3), TIER_PROMISCUOUS);
	tier_is(GROUP(0), TIER_MAC_FILTER);
	assert_string_equal(wanted(UNICAST(3))->why, "the device's address table is full");
	apply(3, 1); /* back down */
	modes_are(false, false);
	/* a driver that promises more than it has */
	dev.table_room = 1;
	nic.max_mac_addrs = 4;
	apply(0, 0);
	apply(2, 1);
	modes_are(true, false);
	tier_is(UNICAST(1), TIER_PROMISCUOUS);
	assert_string_equal(wanted(UNICAST(1))->why, "the device's address table is full");
}

/* The one that leaves is in the table, the one that stays is not: it moves in. */
static void
room_is_used_again(void **state)
{
	static const uint64_t four[] = {UNICAST(0), UNICAST(1), UNICAST(2), UNICAST(3)};

	(void)state;
	apply_set(four, 4, false, false);
	modes_are(true, false);
	apply_set(four + 1, 3, false, false);
	modes_are(false, false);
	tier_is(UNICAST(3), TIER_MAC_FILTER);
	assert_int_equal(dev.n_table, 3);
}

static void
no_table(void **state)
{
	(void)state;
	dev.has_table = false;
	apply(1, 1);
	modes_are(true, false);
	tier_is(UNICAST(0), TIER_PROMISCUOUS);
	apply(0, 1);
	modes_are(false, false);
	nic.max_mac_addrs = 1; /* says so before it is asked */
	dev.calls = 0;
	apply(1, 1);
	modes_are(true, false);
	assert_null(strstr(history, "add"));
	assert_string_equal(wanted(UNICAST(0))->why,
			    "the driver has no table of further addresses");
}

/* A bond: the driver calls it done when one member is open; frames may come by the other. */
static void
a_member_refuses(void **state)
{
	(void)state;
	dev.has_list = false;
	dev.member_refuses = true;
	apply(2, 2);
	modes_are(true, false);
	tier_is(GROUP(0), TIER_PROMISCUOUS);
	dev.member_refuses = false;
	apply(2, 1);
	modes_are(false, true);
	tier_is(GROUP(0), TIER_ALLMULTICAST);
}

static void
address_of_a_member(void **state)
{
	(void)state;
	dev.member_mac = UNICAST(1);
	apply(2, 0);
	modes_are(true, false);
	tier_is(UNICAST(0), TIER_MAC_FILTER);
	tier_is(UNICAST(1), TIER_PROMISCUOUS);
	apply(1, 0);
	modes_are(false, false);
}

static void
multicast_ladder(void **state)
{
	(void)state;
	apply(1, 4);
	modes_are(false, true);
	tier_is(GROUP(0), TIER_ALLMULTICAST);
	tier_is(UNICAST(0), TIER_MAC_FILTER);
	apply(1, 3);
	modes_are(false, false);
	tier_is(GROUP(0), TIER_MAC_FILTER);
	dev.has_list = false;
	apply(1, 1);
	modes_are(false, true);
	apply(1, 0); /* nothing wanted: nothing is missing */
	modes_are(false, false);
	dev.has_allmulticast = false;
	apply(1, 1);
	modes_are(true, false);
	tier_is(GROUP(0), TIER_PROMISCUOUS);
	tier_is(UNICAST(0), TIER_MAC_FILTER);
	apply(1, 0);
	modes_are(false, false);
}

/* A driver may have lost the old list when it refuses the new one. */
static void
refusal_empties_the_list(void **state)
{
	(void)state;
	dev.refusal_empties = true;
	apply(1, 3);
	modes_are(false, false);
	apply(1, 4);
	modes_are(false, true);
	apply(1, 5);
	apply(1, 2);
	modes_are(false, false);
	/* nothing to lose: no detour */
	apply(1, 1);
	assert_null(strstr(history, "allmulticast"));
	dev.has_allmulticast = false;
	apply(1, 3);
	modes_are(false, false);
	apply(1, 4);
	modes_are(true, false);
}

static void
asked_by_a_port(void **state)
{
	static const uint64_t macs[] = {UNICAST(0), GROUP(0)};

	(void)state;
	apply_set(macs, 2, true, false);
	modes_are(true, false);
	tier_is(UNICAST(0), TIER_MAC_FILTER);
	apply_set(macs, 2, false, true);
	modes_are(false, true);
	tier_is(GROUP(0), TIER_MAC_FILTER);
	apply_set(macs, 2, true, true);
	modes_are(true, true);
	apply_set(macs, 2, false, false);
	modes_are(false, false);
	dev.has_allmulticast = false;
	apply_set(macs, 2, false, true);
	modes_are(true, false);
	tier_is(GROUP(0), TIER_MAC_FILTER);
}

static void
promiscuous_refused(void **state)
{
	(void)state;
	dev.has_promiscuous = false;
	apply(4, 1);
	assert_false(filter.promiscuous);
	assert_non_null(strstr(nic.notes[0], "no promiscuous mode"));
	dev.has_promiscuous = true; /* it is tried again with the next change */
	apply(5, 1);
	modes_are(true, false);
}

/* What could not be closed is shown as open, and closed with the next change. */
static void
closing_fails(void **state)
{
	(void)state;
	apply(4, 4);
	modes_are(true, true);
	dev.cannot_close = true;
	apply(1, 1);
	assert_true(filter.promiscuous);
	assert_true(filter.allmulticast);
	dev.cannot_close = false;
	apply(1, 1);
	modes_are(false, false);
}

static void
nothing_changes_nothing_is_touched(void **state)
{
	(void)state;
	apply(3, 3);
	apply(3, 3);
	assert_null(strstr(history, "add"));
	assert_null(strstr(history, "remove"));
	assert_null(strstr(history, "promiscuous"));
	assert_null(strstr(history, "allmulticast"));
}

/* The mildest state that passes all of a set, worked out from the device's abilities. */
static void
check_minimal(const uint64_t *macs, uint32_t n, bool ask_promiscuous, bool ask_allmulticast)
{
	uint32_t unicast = 0, groups = 0;
	bool list_fits, promiscuous, allmulticast, open_multicast;

	for (uint32_t i = 0; i < n; i++)
		if (macs[i] & MAC_MULTICAST_BIT)
			groups++;
		else if (macs[i] != OWN)
			unicast++;
	list_fits = groups == 0 || (dev.has_list && groups <= dev.list_room);
	open_multicast = ask_allmulticast || !list_fits;
	allmulticast = open_multicast && dev.has_allmulticast;
	promiscuous = ask_promiscuous || (unicast > 0 && !dev.has_table) ||
		      unicast > dev.table_room || (open_multicast && !dev.has_allmulticast);
	modes_are(promiscuous, allmulticast);
	if (dev.has_table)
		assert_int_equal(dev.n_table, RTE_MIN(unicast, dev.table_room));
}

static void
random_sequences(void **state)
{
	unsigned int seed = (unsigned int)time(NULL);

	if (getenv("SEED") != NULL)
		seed = (unsigned int)strtoul(getenv("SEED"), NULL, 10);
	print_message("seed %u (repeat with SEED=%u)\n", seed, seed);
	srand(seed);
	for (int sequence = 0; sequence < 2000; sequence++) {
		setup(state);
		dev.has_table = rand() % 5 != 0;
		dev.has_list = rand() % 3 != 0;
		dev.has_allmulticast = rand() % 3 != 0;
		dev.refusal_empties = rand() % 2;
		dev.table_room = (uint32_t)rand() % 8;
		dev.list_room = (uint32_t)rand() % 8;
		nic.max_mac_addrs = 1 + dev.table_room + (rand() % 2 ? 2 : 0);
		for (int step = 0; step < 12; step++) {
			bool promiscuous = rand() % 8 == 0, allmulticast = rand() % 8 == 0;
			uint32_t n = 0, density = 1 + (uint32_t)rand() % 4;
			uint64_t macs[MOST];

			if (rand() % 8 == 0)
				macs[n++] = OWN;
			for (uint32_t i = 0; i < 10; i++)
				if ((uint32_t)rand() % 4 < density)
					macs[n++] = rand() % 2 ? UNICAST(i) : GROUP(i);
			apply_set(macs, n, promiscuous, allmulticast);
			check_minimal(macs, n, promiscuous, allmulticast);
			if (violations > 0)
				fail_msg("sequence %d, step %d: table %d/%u, list %d/%u, "
					 "allmulticast %d, emptied by refusal %d",
					 sequence, step, dev.has_table, dev.table_room,
					 dev.has_list, dev.list_room, dev.has_allmulticast,
					 dev.refusal_empties);
		}
		nic_filter_free(&filter);
	}
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(fits),
		TEST(table_full),
		TEST(room_is_used_again),
		TEST(no_table),
		TEST(a_member_refuses),
		TEST(address_of_a_member),
		TEST(multicast_ladder),
		TEST(refusal_empties_the_list),
		TEST(asked_by_a_port),
		TEST(promiscuous_refused),
		TEST(closing_fails),
		TEST(nothing_changes_nothing_is_touched),
		TEST(random_sequences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
