/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * One NIC behind a monitor: when its filter is asked for, what its owner is told, and its link.
 */
#include "control/qmp_device.h"
#include "tests/unit/qmp_fixture.h"
#include "tests/unit/rx_filter_replies.h"

#define ASK_NET0 "{\"name\": \"net0\"}"
#define ASK_NET1 "{\"name\": \"net1\"}"
#define LINK_UP "{\"name\": \"net0\", \"up\": true}"
#define LINK_DOWN "{\"name\": \"net0\", \"up\": false}"

/* A device's owner, and all that it was told. */
struct port {
	struct fixture *f;
	struct qmp_device *dev;
	unsigned int filters, states;
	struct guest_filter filter;
	enum qmp_device_state state;
	char reason[512];
	struct qmp_device **victim; /* destroyed at the next filter */
	bool stop;                  /* at the next filter: follow off */
};

static void
port_filter(void *ctx, const struct guest_filter *filter)
{
	struct port *p = ctx;

	p->filters++;
	p->filter = *filter;
	if (p->victim != NULL) {
		qmp_device_destroy(*p->victim);
		*p->victim = NULL;
	}
	p->victim = NULL;
	if (p->stop)
		qmp_device_follow(p->dev, false);
}

static void
port_state(void *ctx, enum qmp_device_state state, const char *reason)
{
	struct port *p = ctx;

	assert_true(p->state != state || strcmp(p->reason, reason) != 0);
	p->states++;
	p->state = state;
	strlcpy(p->reason, reason, sizeof(p->reason));
}

static void
plug_in(struct fixture *f, struct port *p, const char *id, bool follow)
{
	const struct qmp_device_owner owner = {
		.on_filter = port_filter, .on_state = port_state, .ctx = p};
	const struct qmp_device_settings settings = {
		.path = f->path, .id = id, .follow = follow, .retry_ms = 100};
	struct qmp_device_info info;
	struct errmsg e = {""};

	*p = (struct port){.f = f};
	assert_int_equal(qmp_device_create(f->monitors, &settings, &owner, &p->dev, &e), 0);
	qmp_device_get_info(p->dev, &info);
	assert_int_equal(info.state, QMP_DEVICE_CONNECTING);
	p->state = info.state;
	assert_int_equal(p->states, 0);
}

static struct qmp_device_info
info_of(const struct port *p)
{
	struct qmp_device_info info;

	qmp_device_get_info(p->dev, &info);
	return info;
}

static void
expect_state(struct port *p, enum qmp_device_state state, const char *reason)
{
	UNTIL(p->f, p->state == state && strstr(p->reason, reason) != NULL);
	assert_int_equal(info_of(p).state, state);
}

static void
answer_query(struct fixture *f, const char *arguments, const char *value)
{
	answer(f, hear_command(f, "query-rx-filter", arguments), value);
}

/* Connected, with net0's first answer had. */
static void
start(struct fixture *f, struct port *p)
{
	plug_in(f, p, "net0", true);
	negotiate(f, 1);
	answer_query(f, ASK_NET0, REPLY_NORMAL);
	expect_state(p, QMP_DEVICE_SYNCED, "");
	assert_int_equal(p->filters, 1);
}

static void
when_to_ask(void **state)
{
	struct fixture *f = *state;
	struct port p;

	start(f, &p);
	assert_int_equal(p.filter.n_multicast, 3);
	say(f, FILTER_EVENT("net0"));
	answer_query(f, ASK_NET0, REPLY_NORMAL);
	say(f, NAMELESS_EVENT);
	answer_query(f, ASK_NET0, REPLY_NORMAL);
	say(f, "{\"event\": \"RESET\", \"data\": {\"guest\": true}}\n");
	answer_query(f, ASK_NET0, REPLY_NORMAL);
	say(f, "{\"event\": \"RESUME\"}\n");
	answer_query(f, ASK_NET0, REPLY_NORMAL);
	qmp_device_requery(p.dev);
	answer_query(f, ASK_NET0, REPLY_NORMAL);
	UNTIL(f, p.filters == 6);
	say(f, FILTER_EVENT("net1") FILTER_EVENT("net"));
	say(f, "{\"event\": \"STOP\"}\n");
	hear_nothing(f, 50);
	assert_int_equal(info_of(&p).events, 2);
	assert_int_equal(info_of(&p).queries, 6);
	assert_int_equal(info_of(&p).failures, 0);
	assert_string_equal(info_of(&p).last_error, "");
	qmp_device_destroy(p.dev);
}

/* QEMU after a reset: 24 kB, which come in pieces. */
static void
long_answer(void **state)
{
	char *text = reply_after_reset();
	struct fixture *f = *state;
	struct port p;

	start(f, &p);
	qmp_device_requery(p.dev);
	answer_query(f, ASK_NET0, text);
	UNTIL(f, p.filters == 2);
	assert_true(p.filter.promisc && p.filter.vlan_all);
	free(text);
	qmp_device_destroy(p.dev);
}

static void
one_at_a_time(void **state)
{
	struct fixture *f = *state;
	json_int_t id;
	struct port p;
	int i;

	start(f, &p);
	say(f, FILTER_EVENT("net0"));
	id = hear_command(f, "query-rx-filter", ASK_NET0);
	for (i = 0; i < 10; i++)
		say(f, FILTER_EVENT("net0"));
	UNTIL(f, info_of(&p).events == 11);
	qmp_device_requery(p.dev);
	hear_nothing(f, 50);
	answer(f, id, REPLY_NORMAL);
	answer_query(f, ASK_NET0, REPLY_NORMAL); /* exactly one more */
	UNTIL(f, p.filters == 3);
	hear_nothing(f, 50);
	assert_int_equal(info_of(&p).queries, 3);
	/* The same after a refusal. */
	qmp_device_requery(p.dev);
	id = hear_command(f, "query-rx-filter", ASK_NET0);
	qmp_device_requery(p.dev);
	refuse(f, id, "not now");
	answer_query(f, ASK_NET0, REPLY_NORMAL);
	expect_state(&p, QMP_DEVICE_SYNCED, "");
	hear_nothing(f, 200); /* nor is there a retry: it is synced */
	qmp_device_destroy(p.dev);
}

static void
refusals(void **state)
{
	static const char *const texts[] = {
		"net client(hn0) isn't a NIC",
		"invalid net client name: net0",
		"net client(net0) doesn't support rx-filter querying",
	};
	struct fixture *f = *state;
	struct port p;
	size_t i;

	start(f, &p);
	qmp_device_requery(p.dev);
	for (i = 0; i < 3; i++) { /* it asks again by itself */
		refuse(f, hear_command(f, "query-rx-filter", ASK_NET0), texts[i]);
		expect_state(&p, QMP_DEVICE_FAILED, texts[i]);
		assert_non_null(strstr(info_of(&p).last_error, texts[i]));
		assert_int_equal(info_of(&p).failures, i + 1);
	}
	answer_query(f, ASK_NET0, "[]");
	expect_state(&p, QMP_DEVICE_FAILED, "not a list of filters");
	assert_int_equal(p.filters, 1); /* the last good one stays */
	say(f, FILTER_EVENT("net0"));   /* does not wait for the retry */
	answer_query(f, ASK_NET0, REPLY_NORMAL);
	expect_state(&p, QMP_DEVICE_SYNCED, "");
	assert_int_equal(p.filters, 2);
	assert_int_equal(info_of(&p).failures, 4);
	assert_non_null(strstr(info_of(&p).last_error, "not a list"));
	qmp_device_destroy(p.dev);
}

static void
lost_monitor(void **state)
{
	struct fixture *f = *state;
	struct port p;

	start(f, &p);
	hang_up(f);
	expect_state(&p, QMP_DEVICE_CONNECTING, "closed by QEMU");
	assert_int_equal(info_of(&p).failures, 0);
	negotiate(f, 2);
	answer_query(f, ASK_NET0, REPLY_NORMAL);
	expect_state(&p, QMP_DEVICE_SYNCED, "");
	/* Amid a query, with one more wanted. */
	qmp_device_requery(p.dev);
	qmp_device_requery(p.dev);
	hear_command(f, "query-rx-filter", ASK_NET0);
	say(f, "garbage\n");
	expect_state(&p, QMP_DEVICE_FAILED, "not JSON");
	assert_int_equal(info_of(&p).failures, 1);
	negotiate(f, 3);
	answer_query(f, ASK_NET0, REPLY_NORMAL);
	expect_state(&p, QMP_DEVICE_SYNCED, "");
	hear_nothing(f, 50);
	/* QEMU stalls. */
	qmp_device_requery(p.dev);
	expect_state(&p, QMP_DEVICE_FAILED, "no answer to query-rx-filter within 400 ms");
	negotiate(f, 4);
	answer_query(f, ASK_NET0, REPLY_NORMAL);
	expect_state(&p, QMP_DEVICE_SYNCED, "");
	assert_int_equal(p.filters, 4);
	qmp_device_destroy(p.dev);
}

static void
two_on_one_monitor(void **state)
{
	struct fixture *f = *state;
	struct port a, b;

	plug_in(f, &a, "net0", true);
	plug_in(f, &b, "net1", true);
	negotiate(f, 1);
	answer_query(f, ASK_NET0, REPLY_NORMAL);
	refuse(f, hear_command(f, "query-rx-filter", ASK_NET1), "invalid net client name: net1");
	expect_state(&a, QMP_DEVICE_SYNCED, "");
	expect_state(&b, QMP_DEVICE_FAILED, "invalid net client name");
	answer_query(f, ASK_NET1, REPLY_NORMAL);
	expect_state(&b, QMP_DEVICE_SYNCED, "");
	say(f, FILTER_EVENT("net1"));
	answer_query(f, ASK_NET1, REPLY_NORMAL);
	UNTIL(f, b.filters == 2);
	assert_int_equal(a.filters, 1);
	/* Both are asked about; then one goes with its query under way, by the other's hand. */
	say(f, NAMELESS_EVENT);
	a.victim = &b.dev;
	answer_query(f, ASK_NET0, REPLY_NORMAL);
	answer_query(f, ASK_NET1, REPLY_NORMAL);
	UNTIL(f, a.filters == 2);
	say(f, FILTER_EVENT("net0") FILTER_EVENT("net1"));
	answer_query(f, ASK_NET0, REPLY_NORMAL);
	UNTIL(f, a.filters == 3);
	hear_nothing(f, 50);
	assert_null(b.dev);
	assert_int_equal(b.filters, 2);
	assert_int_equal(f->accepted, 1);
	qmp_device_destroy(a.dev);
}

static void
removed_while_asking(void **state)
{
	struct fixture *f = *state;
	struct port p;
	char byte;

	plug_in(f, &p, "net0", true);
	negotiate(f, 1);
	hear_command(f, "query-rx-filter", ASK_NET0);
	qmp_device_destroy(p.dev);
	turn_for(f, 50);
	assert_int_equal(recv(f->peer, &byte, 1, MSG_DONTWAIT), 0); /* hung up */
	assert_int_equal(p.filters, 0);
	plug_in(f, &p, "net0", true); /* before anything is connected */
	qmp_device_destroy(p.dev);
	turn_for(f, 50);
	qmp_device_destroy(NULL);
}

static void
not_followed(void **state)
{
	struct fixture *f = *state;
	struct port p;
	json_int_t id;

	plug_in(f, &p, "net0", false);
	negotiate(f, 1);
	expect_state(&p, QMP_DEVICE_OFF, "");
	say(f, FILTER_EVENT("net0") "{\"event\": \"RESET\"}\n");
	qmp_device_requery(p.dev);
	UNTIL(f, info_of(&p).events == 1);
	hear_nothing(f, 50);
	qmp_device_set_link(p.dev, false); /* needs no trust */
	answer(f, hear_command(f, "set_link", LINK_DOWN), "{}");
	qmp_device_follow(p.dev, true);
	id = hear_command(f, "query-rx-filter", ASK_NET0);
	expect_state(&p, QMP_DEVICE_CONNECTING, "");
	qmp_device_follow(p.dev, false);
	expect_state(&p, QMP_DEVICE_OFF, "");
	answer(f, id, REPLY_NORMAL);
	hear_nothing(f, 50);
	assert_int_equal(p.filters, 0);
	qmp_device_follow(p.dev, true);
	p.stop = true; /* from within on_filter */
	answer_query(f, ASK_NET0, REPLY_NORMAL);
	UNTIL(f, p.filters == 1);
	expect_state(&p, QMP_DEVICE_OFF, "");
	hang_up(f);
	expect_state(&p, QMP_DEVICE_CONNECTING, "closed by QEMU");
	qmp_device_follow(p.dev, true);
	assert_int_equal(p.state, QMP_DEVICE_CONNECTING);
	qmp_device_destroy(p.dev);
}

static void
link_state(void **state)
{
	struct fixture *f = *state;
	json_int_t id;
	struct port p;

	plug_in(f, &p, "net0", false);
	qmp_device_set_link(p.dev, true); /* not connected yet */
	qmp_device_set_link(p.dev, false);
	negotiate(f, 1);
	id = hear_command(f, "set_link", LINK_DOWN);
	qmp_device_set_link(p.dev, true); /* flaps while QEMU thinks: the last one wins */
	qmp_device_set_link(p.dev, false);
	qmp_device_set_link(p.dev, true);
	hear_nothing(f, 30);
	answer(f, id, "{}");
	answer(f, hear_command(f, "set_link", LINK_UP), "{}");
	hear_nothing(f, 30);
	qmp_device_set_link(p.dev, true); /* it is */
	hear_nothing(f, 30);
	hang_up(f);
	negotiate(f, 2); /* up is what a new QEMU has, and what the old one has: nothing to say */
	hear_nothing(f, 30);
	qmp_device_set_link(p.dev, false);
	answer(f, hear_command(f, "set_link", LINK_DOWN), "{}");
	hear_nothing(f, 30);
	hang_up(f);
	negotiate(f, 3); /* down must be said again */
	id = hear_command(f, "set_link", LINK_DOWN);
	hang_up(f); /* and again, without an answer */
	UNTIL(f, p.state == QMP_DEVICE_CONNECTING);
	qmp_device_set_link(p.dev, true);
	negotiate(f, 4); /* whether it is down is not known */
	id = hear_command(f, "set_link", LINK_UP);
	refuse(f, id, "Device 'net0' not found");
	UNTIL(f, info_of(&p).failures == 1);
	assert_string_equal(info_of(&p).last_error, "set_link: Device 'net0' not found");
	answer(f, hear_command(f, "set_link", LINK_UP), "{}"); /* after retry_ms */
	hear_nothing(f, 150);
	assert_int_equal(p.state, QMP_DEVICE_OFF);
	qmp_device_destroy(p.dev);
}

/* Events without end from a guest gone mad: one query at a time, and the connection stays. */
static void
flood_of_events(void **state)
{
	struct fixture *f = *state;
	json_int_t id;
	struct port p;
	int i;

	start(f, &p);
	qmp_device_requery(p.dev);
	id = hear_command(f, "query-rx-filter", ASK_NET0);
	for (i = 0; i < 60; i++)
		say(f, FILTER_EVENT("net0"));
	answer(f, id, REPLY_NORMAL);
	answer_query(f, ASK_NET0, REPLY_NORMAL);
	UNTIL(f, p.filters == 3);
	assert_int_equal(info_of(&p).events, 60);
	assert_int_equal(info_of(&p).queries, 3);
	assert_int_equal(f->accepted, 1);
	qmp_device_destroy(p.dev);
}

static void
settings(void **state)
{
	struct qmp_device_settings s = {.path = "", .id = "", .follow = true};
	const struct qmp_device_owner owner = {0};
	struct qmp_device_info info;
	struct fixture *f = *state;
	struct qmp_device *dev;
	struct errmsg e = {""};
	char text[200];

	assert_int_equal(qmp_device_create(f->monitors, &s, &owner, &dev, &e), 0);
	qmp_device_requery(dev);
	qmp_device_follow(dev, false);
	qmp_device_set_link(dev, false);
	qmp_device_get_info(dev, &info);
	assert_string_equal(qmp_device_state_name(info.state), "off");
	qmp_device_destroy(dev);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	s.path = f->path;
	assert_int_equal(qmp_device_create(f->monitors, &s, &owner, &dev, &e), -EINVAL);
	s.id = "\xff";
	assert_int_equal(qmp_device_create(f->monitors, &s, &owner, &dev, &e), -EINVAL);
	s.id = text;
	assert_int_equal(qmp_device_create(f->monitors, &s, &owner, &dev, &e), -EINVAL);
	assert_non_null(strstr(e.text, "1 to 63"));
	s.id = "net0";
	s.path = text;
	assert_int_equal(qmp_device_create(f->monitors, &s, &owner, &dev, &e), -ENAMETOOLONG);
	s.path = f->path;
	assert_int_equal(qmp_device_create(f->monitors, &s, &owner, &dev, &e), 0);
	negotiate(f, 1);
	answer_query(f, ASK_NET0, REPLY_NORMAL); /* nobody is told, nobody minds */
	turn_for(f, 30);
	qmp_device_get_info(dev, &info);
	assert_string_equal(qmp_device_state_name(info.state), "synced");
	qmp_device_destroy(dev);
	assert_string_equal(qmp_device_state_name(QMP_DEVICE_CONNECTING), "connecting");
	assert_string_equal(qmp_device_state_name(QMP_DEVICE_FAILED), "failed");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(when_to_ask),  TEST(long_answer),          TEST(one_at_a_time),
		TEST(refusals),     TEST(lost_monitor),         TEST(two_on_one_monitor),
		TEST(not_followed), TEST(removed_while_asking), TEST(link_state),
		TEST(settings),     TEST(flood_of_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
