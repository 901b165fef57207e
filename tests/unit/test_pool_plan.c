/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * How many buffers there are and on which NUMA nodes, on machines that are invented here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "control/pool_plan.h"

#define UPLINK 1024         /* descriptors of a transmit queue */
#define WORKER (1056 + 384) /* a burst of the largest frames; a cache */

/* Four nodes on two boards: 0 and 1, 2 and 3. */
static int
two_boards(int from, int to)
{
	if (from == to)
		return 10;
	return from / 2 == to / 2 ? 15 : 30;
}

static int
unknown(int from, int to)
{
	(void)from;
	(void)to;
	return 0;
}

static void
test_without_nodes(void **state)
{
	struct pool_facts f = {.n_workers = 2, .worker_node = {0, 1}, .tx_descriptors = UPLINK};
	struct pool_plan p;

	(void)state;
	pool_plan_make(&f, &p);
	assert_int_equal(p.n, 1);
	assert_int_equal(p.pools[0].node, POOL_ANY_NODE);
	assert_int_equal(p.pools[0].mbufs, 2 * (UPLINK + WORKER));
	assert_int_equal(p.of_worker[0], 0);
	assert_int_equal(p.of_worker[1], 0);
}

static void
test_one_node(void **state)
{
	struct pool_facts f = {.n_workers = 1, .n_nodes = 1, .nodes = {0}};
	struct pool_plan p;

	(void)state;
	pool_plan_make(&f, &p);
	assert_int_equal(p.n, 1);
	assert_int_equal(p.pools[0].node, 0);
	assert_int_equal(p.pools[0].mbufs, WORKER); /* no device: nothing waits anywhere */
	f.tx_descriptors = 16 * UPLINK;
	pool_plan_make(&f, &p);
	assert_int_equal(p.pools[0].mbufs, 16 * UPLINK + WORKER);
}

/* Each worker on a node with memory has buffers there, for as many workers as are there. */
static void
test_own_node(void **state)
{
	struct pool_facts f = {.n_workers = 4,
			       .worker_node = {1, 3, 1, 0},
			       .tx_descriptors = UPLINK,
			       .n_nodes = 4,
			       .nodes = {0, 1, 2, 3},
			       .distance = two_boards};
	struct pool_plan p;

	(void)state;
	pool_plan_make(&f, &p);
	assert_int_equal(p.n, 3); /* nobody runs on 2 */
	for (uint32_t w = 0; w < f.n_workers; w++)
		assert_int_equal(p.pools[p.of_worker[w]].node, f.worker_node[w]);
	assert_int_equal(p.pools[p.of_worker[0]].mbufs, 2 * (UPLINK + WORKER));
	assert_int_equal(p.pools[p.of_worker[1]].mbufs, UPLINK + WORKER);
	assert_int_equal(p.pools[p.of_worker[3]].mbufs, UPLINK + WORKER);
}

static void
test_nearest(void **state)
{
	struct pool_facts f = {.n_workers = 2,
			       .worker_node = {1, 2},
			       .n_nodes = 2,
			       .nodes = {3, 0},
			       .distance = two_boards};
	struct pool_plan p;

	(void)state;
	pool_plan_make(&f, &p);
	assert_int_equal(p.pools[p.of_worker[0]].node, 0);
	assert_int_equal(p.pools[p.of_worker[1]].node, 3);
	/* Memory far away only, and a worker whose node has some after all. */
	f.worker_node[0] = 0;
	f.nodes[1] = 2;
	pool_plan_make(&f, &p);
	assert_int_equal(p.n, 2);
	assert_int_equal(p.pools[p.of_worker[1]].node, 2);
}

/* Without distances the own node is still known, and else the first does. */
static void
test_unknown_distances(void **state)
{
	struct pool_facts f = {
		.n_workers = 2, .worker_node = {3, 5}, .n_nodes = 2, .nodes = {1, 3}};
	struct pool_plan p;

	(void)state;
	for (int i = 0; i < 2; i++) {
		f.distance = i == 0 ? NULL : unknown;
		pool_plan_make(&f, &p);
		assert_int_equal(p.pools[p.of_worker[0]].node, 3);
		assert_int_equal(p.pools[p.of_worker[1]].node, 1);
	}
}

static void
test_all_at_once(void **state)
{
	struct pool_facts f = {.n_workers = MAX_WORKERS, .n_nodes = MAX_NUMA_NODES};
	uint32_t sum = 0;
	struct pool_plan p;

	(void)state;
	for (int i = 0; i < MAX_NUMA_NODES; i++)
		f.nodes[i] = i;
	for (int w = 0; w < MAX_WORKERS; w++)
		f.worker_node[w] = w % MAX_NUMA_NODES;
	pool_plan_make(&f, &p);
	assert_int_equal(p.n, MAX_NUMA_NODES);
	for (uint32_t i = 0; i < p.n; i++)
		sum += p.pools[i].mbufs;
	assert_int_equal(sum, MAX_WORKERS * WORKER);
	pool_plan_make(&(struct pool_facts){0}, &p);
	assert_int_equal(p.n, 0);
}

static void
test_nic(void **state)
{
	const struct pool_nic_facts one = {1024, 1024, 1}, none = {0, 0, 0};
	const struct pool_nic_facts many = {64 * 1024 + 32 * 256, 32 * 1024, 32};

	(void)state;
	assert_true(pool_nic_mbufs(&none) > 0);
	/* Both rings full, a burst in hand and a full cache: some are left. */
	assert_true(pool_nic_mbufs(&one) > 1024 + 1024 + 32 + 384);
	assert_true(pool_nic_mbufs(&one) < 4096);
	assert_true(pool_nic_mbufs(&many) > 64 * 1024 + 32 * 256 + 32 * 1024 + 32 * (32 + 384));
}

static void
test_far(void **state)
{
	(void)state;
	assert_false(numa_is_far(0, 0));
	assert_false(numa_is_far(1, 1));
	assert_true(numa_is_far(0, 1));
	assert_true(numa_is_far(1, 0));
	assert_false(numa_is_far(-1, 1)); /* nobody knows: nothing is said */
	assert_false(numa_is_far(1, -1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_nodes),
		cmocka_unit_test(test_one_node),
		cmocka_unit_test(test_own_node),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_unknown_distances),
		cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_nic),
		cmocka_unit_test(test_far),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
