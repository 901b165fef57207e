/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * The receive filter in QEMU's answers: recorded ones, and ones that QEMU should never give.
 */
#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/keys.h"
#include "control/guest_filter.h"
#include "tests/unit/rx_filter_replies.h"

static int
parse(const char *text, const char *name, struct guest_filter *f, struct errmsg *e)
{
	json_t *value = json_loads(text, 0, NULL);
	int ret;

	assert_non_null(value);
	ret = guest_filter_parse(value, name, f, e);
	json_decref(value);
	return ret;
}

static void
assert_mac(const struct mac_addr *mac, const char *text)
{
	char buf[MAC_TEXT_SIZE];

	assert_string_equal(mac_format(mac, buf), text);
}

/* The reply as it was recorded; "broadcast-allowed" false is what QEMU says of a guest that does
 * get broadcasts, so it must be without effect. */
static void
recorded(void **state)
{
	struct guest_filter f, g;
	struct errmsg e = {""};

	(void)state;
	assert_int_equal(parse(REPLY_NORMAL, "net0", &f, &e), 0);
	assert_mac(&f.main, "52:54:00:00:00:0a");
	assert_false(f.promisc || f.all_unicast || f.all_multicast || f.no_unicast ||
		     f.no_multicast || f.vlan_all);
	assert_int_equal(f.n_unicast, 0);
	assert_int_equal(f.n_multicast, 3);
	assert_mac(&f.multicast[0], "01:00:5e:00:00:01"); /* sorted */
	assert_mac(&f.multicast[1], "33:33:00:00:00:01");
	assert_mac(&f.multicast[2], "33:33:ff:00:00:0a");
	assert_int_equal(parse(REPLY_NORMAL_BROADCAST, "net0", &g, &e), 0);
	assert_true(guest_filter_equal(&f, &g));
	/* The only element is the one, whatever QEMU calls a NIC without an id. */
	assert_int_equal(parse(REPLY_NORMAL, "virtio-net-pci.0", &g, &e), 0);
	assert_true(guest_filter_equal(&f, &g));
}

/* After a reset: 24 kB, with every VLAN named. */
static void
recorded_reset(void **state)
{
	char *text = reply_after_reset();
	struct errmsg e = {""};
	struct guest_filter f;
	unsigned int vlan;

	(void)state;
	assert_in_range(strlen(text), 20000, 30000);
	assert_int_equal(parse(text, "net0", &f, &e), 0);
	assert_true(f.promisc && f.vlan_all);
	for (vlan = 0; vlan < GUEST_FILTER_VLANS; vlan++)
		assert_true(guest_filter_has_vlan(&f, (uint16_t)vlan));
	for (vlan = 0; vlan < GUEST_FILTER_VLANS / 64; vlan++)
		assert_true(f.vlans[vlan] == 0); /* the list says nothing beside "all" */
	free(text);
}

static void
all_members(void **state)
{
	struct guest_filter f;
	struct errmsg e = {""};

	(void)state;
	assert_int_equal(
		parse("[{\"name\": \"net1\"}, " /* not ours: not even looked at */
		      "{\"promiscuous\": true, \"name\": \"net0\", \"main-mac\": "
		      "\"52:54:00:00:00:0A\", \"unicast\": \"none\", \"vlan\": \"normal\", "
		      "\"vlan-table\": [100, 0, 4095], \"unicast-table\": [\"02:00:00:00:00:02\", "
		      "\"02:00:00:00:00:01\", \"02:00:00:00:00:02\"], \"multicast\": \"none\", "
		      "\"multicast-overflow\": true, \"unicast-overflow\": true, "
		      "\"multicast-table\": [\"ff:ff:ff:ff:ff:ff\"], \"broadcast-allowed\": 7, "
		      "\"new-in-qemu-20\": {}}]",
		      "net0", &f, &e),
		0);
	assert_true(f.promisc && f.all_unicast && f.all_multicast && f.no_unicast &&
		    f.no_multicast);
	assert_false(f.vlan_all);
	assert_int_equal(f.n_unicast, 2); /* twice the same is once */
	assert_mac(&f.unicast[0], "02:00:00:00:00:01");
	assert_mac(&f.unicast[1], "02:00:00:00:00:02");
	assert_true(mac_is_zero(&f.unicast[2]));
	assert_int_equal(f.n_multicast, 1);
	assert_true(guest_filter_has_vlan(&f, 0) && guest_filter_has_vlan(&f, 100) &&
		    guest_filter_has_vlan(&f, 4095));
	assert_false(guest_filter_has_vlan(&f, 1) || guest_filter_has_vlan(&f, 4094));
}

/* The recorded reply with one member changed (JSON text) or, with NULL, without it. */
static int
parse_with(const char *key, const char *value, struct guest_filter *f, struct errmsg *e)
{
	json_t *reply = json_loads(REPLY_NORMAL, 0, NULL), *info = json_array_get(reply, 0);
	int ret;

	assert_non_null(json_object_get(info, key));
	if (value == NULL)
		json_object_del(info, key);
	else
		json_object_set_new(info, key, json_loads(value, JSON_DECODE_ANY, NULL));
	ret = guest_filter_parse(reply, "net0", f, e);
	json_decref(reply);
	return ret;
}

static void
flags(void **state)
{
	struct errmsg e = {""};
	struct guest_filter f;

	(void)state;
	assert_int_equal(parse_with("promiscuous", "true", &f, &e), 0);
	assert_true(f.promisc);
	assert_int_equal(parse_with("multicast", "\"all\"", &f, &e), 0);
	assert_true(f.all_multicast && !f.all_unicast && !f.no_multicast);
	assert_int_equal(parse_with("multicast-overflow", "true", &f, &e), 0);
	assert_true(f.all_multicast && !f.all_unicast);
	assert_int_equal(parse_with("unicast", "\"all\"", &f, &e), 0);
	assert_true(f.all_unicast && !f.all_multicast && !f.no_unicast);
	assert_int_equal(parse_with("unicast-overflow", "true", &f, &e), 0);
	assert_true(f.all_unicast && !f.all_multicast);
	assert_int_equal(parse_with("unicast", "\"none\"", &f, &e), 0);
	assert_true(f.no_unicast && !f.all_unicast && !f.no_multicast);
	assert_int_equal(parse_with("broadcast-allowed", NULL, &f, &e), 0);
}

static const struct {
	const char *key, *value, *reason;
} bad[] = {
	{"promiscuous", NULL, "promiscuous"},
	{"promiscuous", "1", "promiscuous"},
	{"main-mac", NULL, "main-mac"},
	{"main-mac", "null", "main-mac"},
	{"main-mac", "\"\"", "main-mac"},
	{"main-mac", "\"52:54:00:00:00\"", "main-mac"},
	{"main-mac", "\"52:54:00:00:00:0a:0b\"", "main-mac"},
	{"main-mac", "\"01:00:5e:00:00:01\"", "main-mac is not a unicast"},
	{"main-mac", "\"00:00:00:00:00:00\"", "main-mac is not a unicast"},
	{"unicast", NULL, "unicast is missing"},
	{"unicast", "\"some\"", "none, normal or all"},
	{"unicast", "true", "none, normal or all"},
	{"multicast", "[]", "multicast is missing"},
	{"vlan", "\"\"", "vlan is missing"},
	{"unicast-overflow", NULL, "unicast-overflow"},
	{"multicast-overflow", "\"false\"", "multicast-overflow"},
	{"unicast-table", NULL, "unicast-table"},
	{"unicast-table", "{}", "unicast-table"},
	{"unicast-table", "[7]", "unicast-table: entry 0"},
	{"unicast-table", "[\"52:54:00:00:00:01\", \"52:54:00:00:00:0g\"]",
	 "unicast-table: entry 1"},
	{"unicast-table", "[\"33:33:00:00:00:01\"]", "entry 0 is not a unicast"},
	{"unicast-table", "[\"00:00:00:00:00:00\"]", "entry 0 is not a unicast"},
	{"multicast-table", "[\"52:54:00:00:00:01\"]", "entry 0 is not a multicast"},
	{"multicast-table", "\"33:33:00:00:00:01\"", "multicast-table"},
	{"vlan-table", NULL, "vlan-table"},
	{"vlan-table", "[\"1\"]", "vlan-table: entry 0"},
	{"vlan-table", "[1, 4096]", "vlan-table: entry 1"},
	{"vlan-table", "[-1]", "vlan-table: entry 0"},
	{"vlan-table", "[9223372036854775807]", "vlan-table: entry 0"},
	{"vlan-table", "[1.0]", "vlan-table: entry 0"},
};

/* An error names the member, and leaves the last good filter as it was. */
static void
bad_members(void **state)
{
	struct guest_filter f, before;
	struct errmsg e;
	size_t i;

	(void)state;
	memset(&f, 0xa5, sizeof(f));
	memcpy(&before, &f, sizeof(f));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		e.text[0] = '\0';
		assert_int_equal(parse_with(bad[i].key, bad[i].value, &f, &e), -EINVAL);
		if (strstr(e.text, bad[i].reason) == NULL)
			fail_msg("%s: %s: %s", bad[i].key, bad[i].value, e.text);
		assert_memory_equal(&f, &before, sizeof(f));
	}
}

static void
bad_replies(void **state)
{
	struct guest_filter f;
	struct errmsg e;

	(void)state;
	assert_int_equal(guest_filter_parse(NULL, "net0", &f, &e), -EINVAL);
	assert_int_equal(parse("{}", "net0", &f, &e), -EINVAL);
	assert_int_equal(parse("[]", "net0", &f, &e), -EINVAL);
	assert_int_equal(parse("[7]", "net0", &f, &e), -EINVAL);
	assert_int_equal(parse("[[]]", "net0", &f, &e), -EINVAL);
	assert_int_equal(parse("[{}]", "net0", &f, &e), -EINVAL);
	assert_int_equal(parse("[{\"name\": \"net1\"}, {\"name\": 7}]", "net0", &f, &e), -ENOENT);
	assert_non_null(strstr(e.text, "net0"));
}

/* n addresses from base upwards, as JSON. */
static char *
mac_table(const char *base, unsigned int n)
{
	json_t *table = json_array();
	char *text;
	unsigned int i;

	for (i = 0; i < n; i++)
		json_array_append_new(table, json_sprintf("%s:%02x", base, i));
	text = json_dumps(table, 0);
	json_decref(table);
	assert_non_null(text);
	return text;
}

static void
table_sizes(void **state)
{
	char *fits = mac_table("02:00:00:00:00", 64), *more = mac_table("02:00:00:00:00", 65);
	char *groups = mac_table("33:33:00:00:00", 64), *many = mac_table("33:33:00:00:00", 200);
	struct errmsg e = {""};
	struct guest_filter f;

	(void)state;
	assert_int_equal(parse_with("unicast-table", fits, &f, &e), 0);
	assert_int_equal(f.n_unicast, 64);
	assert_int_equal(parse_with("multicast-table", groups, &f, &e), 0);
	assert_int_equal(f.n_multicast, 64);
	assert_int_equal(parse_with("unicast-table", more, &f, &e), -EINVAL);
	assert_non_null(strstr(e.text, "unicast-table has 65 entries; at most 64"));
	assert_int_equal(parse_with("multicast-table", many, &f, &e), -EINVAL);
	assert_non_null(strstr(e.text, "multicast-table has 200 entries; at most 64"));
	free(fits);
	free(more);
	free(groups);
	free(many);
}

static void
too_many_vlans(void **state)
{
	json_t *reply = json_loads(REPLY_NORMAL, 0, NULL);
	json_t *table = json_object_get(json_array_get(reply, 0), "vlan-table");
	struct errmsg e = {""};
	struct guest_filter f;
	int i;

	(void)state;
	for (i = 0; i < 4097; i++)
		json_array_append_new(table, json_integer(1));
	assert_int_equal(guest_filter_parse(reply, "net0", &f, &e), -EINVAL);
	assert_non_null(strstr(e.text, "vlan-table has 4097 entries; at most 4096"));
	json_decref(reply);
}

static void
equality(void **state)
{
	static const char *const changes[][2] = {
		{"promiscuous", "true"},
		{"main-mac", "\"52:54:00:00:00:0b\""},
		{"unicast", "\"all\""},
		{"unicast", "\"none\""},
		{"multicast", "\"all\""},
		{"multicast", "\"none\""},
		{"unicast-table", "[\"52:54:00:00:00:0b\"]"},
		{"multicast-table", "[\"33:33:ff:00:00:0a\",\"33:33:00:00:00:01\"]"},
		{"multicast-table",
		 "[\"33:33:ff:00:00:0a\",\"01:00:5e:00:00:02\",\"33:33:00:00:00:01\"]"},
		{"vlan", "\"all\""},
	};
	struct guest_filter f, g;
	struct errmsg e;
	size_t i;

	(void)state;
	assert_int_equal(parse(REPLY_NORMAL, "net0", &f, &e), 0);
	assert_int_equal(
		parse_with("multicast-table",
			   "[\"01:00:5e:00:00:01\",\"33:33:ff:00:00:0a\",\"33:33:00:00:00:01\"]",
			   &g, &e),
		0);
	assert_true(guest_filter_equal(&f, &g)); /* the order means nothing */
	for (i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		assert_int_equal(parse_with(changes[i][0], changes[i][1], &g, &e), 0);
		assert_false(guest_filter_equal(&f, &g));
		assert_true(guest_filter_equal(&g, &g));
	}
	f = g;
	f.vlans[1] = 1;
	assert_false(guest_filter_equal(&f, &g));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded),    cmocka_unit_test(recorded_reset),
		cmocka_unit_test(all_members), cmocka_unit_test(flags),
		cmocka_unit_test(bad_members), cmocka_unit_test(bad_replies),
		cmocka_unit_test(table_sizes), cmocka_unit_test(too_many_vlans),
		cmocka_unit_test(equality),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
