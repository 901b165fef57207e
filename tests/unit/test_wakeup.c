/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * What ends a worker's sleep: the descriptors of what it polls, and the bell, through publications
 * that add, remove and replace them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka.h wants the three before it */
#include <cmocka.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "dataplane/wakeup.h"

#define QUEUES 4

struct bench {
	struct wakeup wu;
	int fds[QUEUES]; /* by queue; -1: it has none */
	struct view_poll polls[QUEUES];
};

static int
fd_of(void *ctx, const struct view_poll *poll)
{
	const struct bench *b = ctx;

	return b->fds[poll->queue];
}

/* The worker polls the first n queues of which from is the first. */
static void
publish(struct bench *b, uint32_t from, uint32_t n)
{
	struct view_worker worker = {.n_polls = n, .polls = b->polls + from};

	wakeup_watch(&b->wu, &worker, fd_of, b);
	wakeup_settle(&b->wu);
}

/* Would a worker that sleeps now wake up? Takes everything that is pending. */
static bool
wakes(struct bench *b)
{
	struct epoll_event events[16];

	return epoll_wait(b->wu.epoll, events, 16, 0) > 0;
}

static int
setup(void **state)
{
	static struct bench b;

	assert_int_equal(wakeup_create(&b.wu), 0);
	for (uint16_t q = 0; q < QUEUES; q++) {
		b.polls[q].queue = q;
		b.fds[q] = eventfd(0, EFD_NONBLOCK);
		assert_true(b.fds[q] > 0);
	}
	*state = &b;
	return 0;
}

static int
teardown(void **state)
{
	struct bench *b = *state;

	wakeup_destroy(&b->wu);
	for (int q = 0; q < QUEUES; q++)
		if (b->fds[q] >= 0)
			close(b->fds[q]);
	return 0;
}

static void
test_bell(void **state)
{
	struct bench *b = *state;

	assert_false(wakes(b));
	wakeup_ring(&b->wu);
	assert_true(wakes(b));
	assert_false(wakes(b)); /* though nobody has read it */
	wakeup_ring(&b->wu);
	assert_true(wakes(b));
	publish(b, 0, 0); /* a worker that polls nothing still hears the bell */
	wakeup_ring(&b->wu);
	assert_true(wakes(b));
}

static void
test_only_what_is_polled(void **state)
{
	struct bench *b = *state;

	publish(b, 0, 2);
	assert_false(atomic_load(&b->wu.deaf));
	for (int q = 0; q < QUEUES; q++) {
		eventfd_write(b->fds[q], 1);
		assert_int_equal(wakes(b), q < 2);
	}
	publish(b, 1, 3); /* without 0, with 2 and 3: what they had to say already counts */
	assert_true(wakes(b));
	for (int q = 0; q < QUEUES; q++) {
		eventfd_write(b->fds[q], 1);
		assert_int_equal(wakes(b), q >= 1);
	}
	publish(b, 0, 0);
	for (int q = 0; q < QUEUES; q++)
		eventfd_write(b->fds[q], 1);
	assert_false(wakes(b));
}

/* Between the two halves of a publication both views may be polled. */
static void
test_both_views_meanwhile(void **state)
{
	struct bench *b = *state;
	struct view_worker next = {.n_polls = 1, .polls = b->polls + 1};

	publish(b, 0, 1);
	wakeup_watch(&b->wu, &next, fd_of, b);
	eventfd_write(b->fds[0], 1);
	assert_true(wakes(b));
	eventfd_write(b->fds[1], 1);
	assert_true(wakes(b));
	wakeup_settle(&b->wu);
	eventfd_write(b->fds[0], 1);
	assert_false(wakes(b));
	eventfd_write(b->fds[1], 1);
	assert_true(wakes(b));
}

/* As long as one queue has no descriptor, from before it is polled until after. */
static void
test_deaf(void **state)
{
	struct bench *b = *state;
	struct view_worker next = {.n_polls = 2, .polls = b->polls};
	int saved = b->fds[1];

	publish(b, 0, 1);
	assert_false(atomic_load(&b->wu.deaf));
	b->fds[1] = -1;
	wakeup_watch(&b->wu, &next, fd_of, b);
	assert_true(atomic_load(&b->wu.deaf));
	wakeup_settle(&b->wu);
	assert_true(atomic_load(&b->wu.deaf));
	eventfd_write(b->fds[0], 1);
	assert_true(wakes(b)); /* the others still wake it */
	next.n_polls = 1;
	wakeup_watch(&b->wu, &next, fd_of, b);
	assert_true(atomic_load(&b->wu.deaf));
	wakeup_settle(&b->wu);
	assert_false(atomic_load(&b->wu.deaf));
	b->fds[1] = saved;
}

/* What epoll refuses cannot wake anybody either: a guest chooses what its kick descriptor is. */
static void
test_no_event(void **state)
{
	struct bench *b = *state;
	int saved = b->fds[0];

	b->fds[0] = dup(STDERR_FILENO);
	close(b->fds[0]); /* a number that is nobody's */
	publish(b, 0, 2);
	assert_true(atomic_load(&b->wu.deaf));
	b->fds[0] = saved;
	publish(b, 0, 2);
	assert_false(atomic_load(&b->wu.deaf));
	eventfd_write(b->fds[0], 1);
	assert_true(wakes(b));
}

/* A driver that restarts may get the same number for another descriptor. */
static void
test_same_number(void **state)
{
	struct bench *b = *state;
	int other;

	publish(b, 0, 1);
	other = eventfd(0, EFD_NONBLOCK);
	assert_int_equal(dup2(other, b->fds[0]), b->fds[0]);
	close(other);
	publish(b, 0, 1);
	assert_false(atomic_load(&b->wu.deaf));
	eventfd_write(b->fds[0], 1);
	assert_true(wakes(b));
}

/* Several queues by one descriptor: it goes with the last of them. */
static void
test_shared(void **state)
{
	struct bench *b = *state;
	int saved = b->fds[1];

	b->fds[1] = b->fds[0];
	publish(b, 0, 2);
	publish(b, 1, 1);
	eventfd_write(b->fds[0], 1);
	assert_true(wakes(b));
	publish(b, 2, 1);
	eventfd_write(b->fds[0], 1);
	assert_false(wakes(b));
	b->fds[1] = saved;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bell, setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_what_is_polled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_both_views_meanwhile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deaf, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_event, setup, teardown),
		cmocka_unit_test_setup_teardown(test_same_number, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shared, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
