/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Flow rules (control/nic_steer.c) as the best tier of the NIC's filter, against the NIC of
 * nic_fake.h: who gets one, what happens when there is no room, and which rules are found not to
 * work.
 */
#include "tests/unit/nic_fake.h"

static void
traffic(void *ctx, uint16_t port, uint64_t *own, uint64_t *looked)
{
	(void)ctx;
	*own = own_queue[port];
	*looked = looked_up[port];
}

/* The device gets rte_flow rules and queues of which so many may be ports'. */
static void
give_flow(uint32_t rules, uint16_t queues)
{
	dev.has_flow = true;
	dev.flow_room = rules;
	nic.rx_queues = (uint16_t)(nic.shared_queues + queues);
	filter.steer = &steer;
	filter.traffic = traffic;
}

static uint32_t
count_tier(enum filter_tier tier)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < filter.now.n; i++)
		n += !(filter.now.addresses[i].mac & MAC_MULTICAST_BIT) &&
		     filter.now.addresses[i].tier == tier;
	return n;
}

static void
tick(uint32_t times)
{
	while (times-- > 0)
		nic_steer_check(&steer, &nic, traffic, NULL);
}

static void
each_port_has_its_queue(void **state)
{
	(void)state;
	give_flow(8, 4);
	apply(3, 1);
	assert_int_equal(count_tier(TIER_FLOW_QUEUE), 3);
	assert_int_equal(dev.n_rules, 3);
	for (uint16_t q = 1; q < 4; q++)
		assert_int_not_equal(nic_steer_owner(&steer, q), NO_PORT);
	assert_int_equal(nic_steer_owner(&steer, 0), NO_PORT);
	assert_int_equal(nic_steer_owner(&steer, 4), NO_PORT);
	assert_int_equal(wanted(GROUP(0))->tier, TIER_MAC_FILTER);
	assert_false(dev.promiscuous);
}

/* Queues end first, then rules; the rest goes to the table, then to promiscuous mode. */
static void
down_the_ladder(void **state)
{
	(void)state;
	give_flow(8, 2);
	apply(5, 0);
	assert_int_equal(count_tier(TIER_FLOW_QUEUE), 2);
	assert_int_equal(count_tier(TIER_MAC_FILTER), 3);
	assert_string_equal(wanted(UNICAST(4))->no_rule, "no receive queue is free for the port");
	assert_false(dev.promiscuous);
	apply(6, 0);
	assert_int_equal(count_tier(TIER_PROMISCUOUS), 1);
	assert_true(dev.promiscuous);
	apply(5, 0);
	assert_false(dev.promiscuous);
}

static void
table_of_rules_full(void **state)
{
	static const uint64_t last_two[] = {UNICAST(1), UNICAST(2)};

	(void)state;
	give_flow(2, 8);
	apply(3, 0);
	assert_int_equal(count_tier(TIER_FLOW_QUEUE), 2);
	assert_string_equal(wanted(UNICAST(2))->no_rule, "the device's flow table is full");
	apply_set(last_two, 2, false, false); /* room again: it climbs back */
	assert_int_equal(count_tier(TIER_FLOW_QUEUE), 2);
}

/* The former owner's frames may still be in the queue: it rests before it serves another. */
static void
queues_rest(void **state)
{
	static const uint64_t second[] = {GROUP(0), UNICAST(1)};

	(void)state;
	give_flow(8, 1);
	apply(1, 0);
	assert_int_equal(nic_steer_owner(&steer, 1), 0);
	apply_set(second, 2, false, false); /* port 1 in place of port 0 */
	assert_int_equal(nic_steer_owner(&steer, 1), NO_PORT);
	assert_int_equal(wanted(UNICAST(1))->tier, TIER_MAC_FILTER);
	tick(STEER_REST_TICKS);
	assert_false(nic_steer_owner(&steer, 1) == 1);
	tick(1);
	apply_set(second, 2, false, false);
	assert_int_equal(nic_steer_owner(&steer, 1), 1);
	assert_int_equal(wanted(UNICAST(1))->tier, TIER_FLOW_QUEUE);
}

static void
forced(void **state)
{
	(void)state;
	give_flow(8, 4);
	apply(2, 0);
	demux = DEMUX_FILTER;
	apply(2, 0);
	assert_int_equal(count_tier(TIER_MAC_FILTER), 2);
	assert_int_equal(dev.n_rules, 0);
	demux = DEMUX_PROMISC;
	apply(2, 0);
	assert_int_equal(count_tier(TIER_PROMISCUOUS), 2);
	assert_true(dev.promiscuous);
	demux = DEMUX_AUTO;
	tick(STEER_REST_TICKS + 1);
	apply(2, 0);
	assert_int_equal(count_tier(TIER_FLOW_QUEUE), 2);
	assert_false(dev.promiscuous);
}

/* The rule's own counter stays at 0 while its frames come by the shared queues. */
static void
broken_rule(void **state)
{
	(void)state;
	give_flow(8, 4);
	apply(2, 0);
	looked_up[0] = STEER_SUSPICIOUS - 1;
	assert_false(nic_steer_check(&steer, &nic, traffic, NULL));
	looked_up[0]++;
	assert_true(nic_steer_check(&steer, &nic, traffic, NULL));
	apply(2, 0);
	assert_int_equal(wanted(UNICAST(0))->tier, TIER_MAC_FILTER);
	assert_string_equal(wanted(UNICAST(0))->no_rule,
			    "the flow rule was accepted but did not steer");
	assert_int_equal(wanted(UNICAST(1))->tier, TIER_FLOW_QUEUE);
	nic_filter_forget(&filter); /* a reset: the device may do better now */
	memset(dev.rules, 0, sizeof(dev.rules));
	dev.n_rules = dev.n_table = 0;
	tick(STEER_REST_TICKS + 1);
	apply(2, 0);
	assert_int_equal(count_tier(TIER_FLOW_QUEUE), 2);
}

static void
working_rules_stay(void **state)
{
	(void)state;
	give_flow(8, 4);
	dev.no_count = true;
	apply(1, 0);
	looked_up[0] = 100; /* before the rule took effect, or by hairpin */
	own_queue[0] = 1;
	assert_false(nic_steer_check(&steer, &nic, traffic, NULL));
	nic_steer_free(&steer, &nic);
	dev.no_count = false;
	own_queue[0] = looked_up[0] = 0;
	apply(0, 0);
	tick(STEER_REST_TICKS + 1);
	apply(1, 0);
	looked_up[0] = 100;
	for (uint32_t i = 0; i < MOST; i++)
		dev.rules[i].hits = 3;
	assert_false(nic_steer_check(&steer, &nic, traffic, NULL));
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
		give_flow((uint32_t)rand() % 8, (uint16_t)(rand() % 6));
		dev.has_table = rand() % 4 != 0;
		dev.table_room = (uint32_t)rand() % 6;
		dev.no_count = rand() % 2;
		nic.max_mac_addrs = 1 + dev.table_room + (rand() % 2 ? 2 : 0);
		for (int step = 0; step < 12; step++) {
			uint64_t macs[MOST];
			uint32_t n = 0, left;

			/* Another order, so that addresses move from port to port. */
			for (uint32_t i = 0; i < 8; i++)
				if (rand() % 2)
					macs[n++] = UNICAST((i * 3 + (uint32_t)step / 4) % 8);
			demux = rand() % 4 == 0 ? DEMUX_FILTER : DEMUX_AUTO;
			apply_set(macs, n, false, false);
			tick((uint32_t)rand() % 8);
			if (violations > 0)
				fail_msg("sequence %d, step %d", sequence, step);
			/* Minimal: promiscuous only if the table cannot take what has no rule. */
			left = n - count_tier(TIER_FLOW_QUEUE);
			assert_int_equal(dev.promiscuous,
					 left > (dev.has_table ? dev.table_room : 0));
		}
		n_staying = 0;
		nic_steer_free(&steer, &nic);
		nic_filter_free(&filter);
	}
	demux = DEMUX_AUTO;
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(each_port_has_its_queue),
		TEST(down_the_ladder),
		TEST(table_of_rules_full),
		TEST(queues_rest),
		TEST(forced),
		TEST(broken_rule),
		TEST(working_rules_stay),
		TEST(random_sequences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
