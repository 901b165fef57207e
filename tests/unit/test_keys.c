/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */

/*
 * config/keys.h: the tables, values in and out, and every reason that a user may meet. No files.
 */

#include "tests/unit/config_fixture.h"

#include <errno.h>

#include "config/keys.h"

static void
test_names(void **state)
{
	static const char *const good[] = {"a",       "vm1", "0",
					   "a.b_c-d", "Z9",  "a234567890123456789012345678901"};
	static const char *const bad[] = {
		"",     "-a",  ".a",      "_a",
		"a b",  "a/b", "a]",      "a234567890123456789012345678901x",
		"vm1 ", "a\n", "\xc3\xa4"};
	struct errmsg e;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(name_check("port", good[i], &e), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(name_check("port", bad[i], &e), -EINVAL);
		assert_has(e.text, "port name '");
		assert_has(e.text, "1 to 31 of [A-Za-z0-9._-]");
	}
}

static void
test_macs(void **state)
{
	static const char *const bad[] = {"",
					  "52:54:00:00:00",
					  "52:54:00:00:00:0",
					  "52:54:00:00:00:01:",
					  "52:54:00-00:00:01",
					  "52.54.00.00.00.01",
					  "5g:54:00:00:00:01",
					  " 2:54:00:00:00:01",
					  "+2:54:00:00:00:01",
					  "525400000001"};
	struct mac_addr mac = {{0}};
	char text[MAC_TEXT_SIZE];

	(void)state;
	assert_int_equal(mac_parse("52:54:00:aB:Cd:0f", &mac), 0);
	assert_string_equal(mac_format(&mac, text), "52:54:00:ab:cd:0f");
	assert_int_equal(mac_parse("01-02-03-04-05-06", &mac), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(mac_parse(bad[i], &mac), -EINVAL);
	assert_string_equal(mac_format(&mac, text), "01:02:03:04:05:06");
	assert_int_equal(mac_to_u64(&mac), 0x010203040506);
}

/* The order is the documentation's; names and helps are unique and there. */
static void
test_tables(void **state)
{
	static const char *const order[] = {
		"control control_group workers worker_cpus eal idle idle_after idle_step "
		"rebalance ",
		"device mtu hairpin queues demux flood_share offloads queue_workers ",
		"uplink mode mac socket device socket_role socket_owner queues offloads "
		"trust_guest_rx_filters own_source qmp qmp_device allmulticast promisc maddr "
		"nopromisc link_follow max_addresses max_filter_changes queue_workers "};
	static const char *const add_only[] = {
		"control control_group eal idle idle_after idle_step ", "device queues offloads ",
		"uplink socket device socket_role socket_owner queues offloads "};
	static const char *const names[] = {"daemon", "uplink", "port"};

	(void)state;
	for (int s = SECTION_DAEMON; s <= SECTION_PORT; s++) {
		char all[512] = "", fixed[512] = "";

		for (const struct key *k = section_keys(s); k->name != NULL; k++) {
			strlcat(all, k->name, sizeof(all));
			strlcat(all, " ", sizeof(all));
			if (k->when == KEY_ADD_ONLY) {
				strlcat(fixed, k->name, sizeof(fixed));
				strlcat(fixed, " ", sizeof(fixed));
			}
			assert_non_null(k->help);
			assert_non_null(k->values);
			assert_non_null(k->parse);
			assert_non_null(k->format);
			assert_true(k->size > 0);
			assert_ptr_equal(key_find(s, k->name), k);
		}
		assert_string_equal(all, order[s]);
		assert_string_equal(fixed, add_only[s]);
		assert_string_equal(section_name(s), names[s]);
	}
	assert_null(key_find(SECTION_UPLINK, "mode"));
	assert_string_equal(mode_name(MODE_VEPA), "vepa");
	assert_string_equal(mode_name(MODE_BRIDGE), "bridge");
	assert_string_equal(mode_name(MODE_PRIVATE), "private");
	assert_string_equal(mode_name(MODE_PASSTHRU), "passthru");
}

union object {
	struct daemon_settings d;
	struct uplink_settings u;
	struct port_settings p;
};

static void
fill_defaults(enum section section, union object *o)
{
	memset(o, 0, sizeof(*o));
	if (section == SECTION_DAEMON)
		daemon_defaults(&o->d);
	else if (section == SECTION_UPLINK)
		uplink_defaults(&o->u, "up0");
	else
		port_defaults(&o->p, "vm1");
}

static void
test_defaults(void **state)
{
	static const struct {
		enum section section;
		const char *key, *value; /* NULL: not set */
	} rows[] = {
		{SECTION_DAEMON, "control", "/run/macvswitch/control.sock"},
		{SECTION_DAEMON, "control_group", NULL},
		{SECTION_DAEMON, "workers", "1"},
		{SECTION_DAEMON, "worker_cpus", NULL},
		{SECTION_DAEMON, "eal", NULL},
		{SECTION_DAEMON, "idle", "sleep"},
		{SECTION_DAEMON, "idle_after", "1000"},
		{SECTION_DAEMON, "idle_step", "40"},
		{SECTION_DAEMON, "rebalance", "off"},
		{SECTION_UPLINK, "queue_workers", "auto"},
		{SECTION_PORT, "queue_workers", "auto"},
		{SECTION_UPLINK, "device", NULL},
		{SECTION_UPLINK, "mtu", NULL},
		{SECTION_UPLINK, "hairpin", "off"},
		{SECTION_UPLINK, "queues", "auto"},
		{SECTION_UPLINK, "offloads", "on"},
		{SECTION_PORT, "uplink", NULL},
		{SECTION_PORT, "mode", "vepa"},
		{SECTION_PORT, "mac", NULL},
		{SECTION_PORT, "socket", NULL},
		{SECTION_PORT, "device", NULL},
		{SECTION_PORT, "socket_role", "server"},
		{SECTION_PORT, "socket_owner", NULL},
		{SECTION_PORT, "queues", "1"},
		{SECTION_PORT, "offloads", "on"},
		{SECTION_PORT, "trust_guest_rx_filters", "off"},
		{SECTION_PORT, "own_source", "drop"},
		{SECTION_PORT, "qmp", NULL},
		{SECTION_PORT, "qmp_device", NULL},
		{SECTION_PORT, "allmulticast", "off"},
		{SECTION_PORT, "promisc", "off"},
		{SECTION_PORT, "maddr", NULL},
		{SECTION_PORT, "nopromisc", "off"},
		{SECTION_PORT, "link_follow", "on"},
		{SECTION_PORT, "max_addresses", "64"},
		{SECTION_PORT, "max_filter_changes", "10"},
	};
	char text[TEXT_SIZE];
	union object o;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct key *k = key_find(rows[i].section, rows[i].key);

		fill_defaults(rows[i].section, &o);
		assert_non_null(k);
		assert_int_equal(key_get(k, &o, text, sizeof(text)), rows[i].value != NULL);
		assert_string_equal(text, rows[i].value != NULL ? rows[i].value : "");
	}
	fill_defaults(SECTION_PORT, &o);
	assert_string_equal(o.p.name, "vm1");
	assert_int_equal(o.p.mode, MODE_VEPA);
}

#define L50 "01234567890123456789012345678901234567890123456789"
#define PATH107 "/" L50 L50 "123456"

/* What is accepted comes back as it was, or as `back`. */
static void
test_good_values(void **state)
{
	static const struct {
		enum section section;
		const char *key, *value, *back;
	} rows[] = {
		{SECTION_DAEMON, "control", PATH107, NULL},
		{SECTION_DAEMON, "control_group", "macvswitch", NULL},
		{SECTION_DAEMON, "control_group", "107", NULL},
		{SECTION_DAEMON, "workers", "1", NULL},
		{SECTION_DAEMON, "workers", "32", NULL},
		{SECTION_DAEMON, "worker_cpus", "2-5,7", NULL},
		{SECTION_DAEMON, "worker_cpus", "auto", ""},
		{SECTION_DAEMON, "rebalance", "on", NULL},
		{SECTION_UPLINK, "queue_workers", "auto", NULL},
		{SECTION_UPLINK, "queue_workers", "95:31 0:1", "0:1 95:31"},
		{SECTION_PORT, "queue_workers", " 1:0,15:0  0:1", "0:1 1:0 15:0"},
		{SECTION_DAEMON, "eal", "--no-huge -m 512 --vdev 'a b;c'", NULL},
		{SECTION_DAEMON, "idle", "poll", NULL},
		{SECTION_DAEMON, "idle_after", "10", NULL},
		{SECTION_DAEMON, "idle_after", "1000000", NULL},
		{SECTION_DAEMON, "idle_step", "10000", NULL},
		{SECTION_UPLINK, "device", "0000:3b:00.0,representor=[0-3]", NULL},
		{SECTION_UPLINK, "mtu", "68", NULL},
		{SECTION_UPLINK, "mtu", "9600", NULL},
		{SECTION_UPLINK, "hairpin", "on", NULL},
		{SECTION_UPLINK, "queues", "auto", NULL},
		{SECTION_UPLINK, "queues", "8", NULL},
		{SECTION_PORT, "uplink", "up0", NULL},
		{SECTION_PORT, "mode", "bridge", NULL},
		{SECTION_PORT, "mode", "private", NULL},
		{SECTION_PORT, "mode", "passthru", NULL},
		{SECTION_PORT, "mac", "52-54-00-AB-00-01", "52:54:00:ab:00:01"},
		{SECTION_PORT, "socket", "/run/a b.sock", NULL},
		{SECTION_PORT, "device", "net_tap0,iface=host0", NULL},
		{SECTION_PORT, "socket_role", "client", NULL},
		{SECTION_PORT, "socket_owner", "libvirt-qemu:kvm", NULL},
		{SECTION_PORT, "socket_owner", ":107", NULL},
		{SECTION_PORT, "socket_owner", "root", NULL},
		{SECTION_PORT, "queues", "16", NULL},
		{SECTION_PORT, "offloads", "off", NULL},
		{SECTION_PORT, "trust_guest_rx_filters", "multicast", NULL},
		{SECTION_PORT, "trust_guest_rx_filters", "on", NULL},
		{SECTION_PORT, "own_source", "deliver", NULL},
		{SECTION_PORT, "qmp", "/run/q", NULL},
		{SECTION_PORT, "qmp", "", NULL},
		{SECTION_PORT, "qmp_device", "net0", NULL},
		{SECTION_PORT, "allmulticast", "on", NULL},
		{SECTION_PORT, "promisc", "on", NULL},
		{SECTION_PORT, "maddr", " 01:00:5E:01:02:03,52:54:00:00:00:09  33:33:ff:00:00:01",
		 "01:00:5e:01:02:03 52:54:00:00:00:09 33:33:ff:00:00:01"},
		{SECTION_PORT, "maddr", "", NULL},
		{SECTION_PORT, "nopromisc", "on", NULL},
		{SECTION_PORT, "link_follow", "off", NULL},
		{SECTION_PORT, "max_addresses", "0", NULL},
		{SECTION_PORT, "max_filter_changes", "1000", NULL},
		{SECTION_UPLINK, "demux", "flow", NULL},
	};
	char text[TEXT_SIZE];
	struct errmsg e;
	union object o;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *back = rows[i].back != NULL ? rows[i].back : rows[i].value;

		fill_defaults(rows[i].section, &o);
		e.text[0] = '\0';
		if (key_set(rows[i].section, &o, rows[i].key, rows[i].value, &e) != 0)
			fail_msg("%s", e.text);
		assert_int_equal(
			key_get(key_find(rows[i].section, rows[i].key), &o, text, sizeof(text)),
			back[0] != '\0');
		assert_string_equal(text, back);
	}
}

/* Every reason names the key, the value and what is accepted; the object stays as it was. */
static void
test_bad_values(void **state)
{
	static const struct {
		enum section section;
		const char *key, *value, *reason;
	} rows[] = {
		{SECTION_DAEMON, "control", PATH107 "x", "is longer than 107 characters; absolute"},
		{SECTION_DAEMON, "control", "run/x", "control: 'run/x' does not start with /; abs"},
		{SECTION_DAEMON, "control", "", "control: '' is empty; absolute path of at most"},
		{SECTION_DAEMON, "control_group", "a b",
		 "control_group: 'a b' is not accepted; name or number of a group"},
		{SECTION_DAEMON, "control_group", L50, "is longer than 31 characters"},
		{SECTION_DAEMON, "workers", "0", "workers: '0' is too small; 1 to 32"},
		{SECTION_DAEMON, "workers", "33", "workers: '33' is too large; 1 to 32"},
		{SECTION_DAEMON, "workers", " 1", "workers: ' 1' is not a number; 1 to 32"},
		{SECTION_DAEMON, "workers", "+1", "'+1' is not a number"},
		{SECTION_DAEMON, "workers", "0x1", "'0x1' is not a number"},
		{SECTION_DAEMON, "workers", "4294967297", "is too large"},
		{SECTION_DAEMON, "workers", "", "workers: '' is not a number"},
		{SECTION_DAEMON, "worker_cpus", "2-",
		 "worker_cpus: '2-' is not accepted; auto, or a CPU list such as 2-5,7 of at most "
		 "32 CPUs"},
		{SECTION_DAEMON, "worker_cpus", "0-32", "at most 32 CPUs"},
		{SECTION_DAEMON, "eal", "", "eal: '' is empty"},
		{SECTION_DAEMON, "eal", "--vdev 'x", "has a ' that is not closed"},
		{SECTION_DAEMON, "eal", "a ;b", "holds a ; that would start a comment"},
		{SECTION_DAEMON, "eal", "a #b", "holds a # that would start a comment"},
		{SECTION_DAEMON, "eal", "a\tb", "eal: 'a?b' holds a control character"},
		{SECTION_DAEMON, "idle", "nap", "idle: 'nap' is not accepted; sleep or poll"},
		{SECTION_PORT, "queue_workers", "",
		 "queue_workers: '' is empty; auto, or QUEUE:WORKER"},
		{SECTION_PORT, "queue_workers", "0",
		 "queue_workers: '0' holds '0', which is not QUEUE:WORKER with a worker of 0 to "
		 "31; "
		 "auto, or QUEUE:WORKER pairs such as 0:1 1:0, blank separated"},
		{SECTION_PORT, "queue_workers", "0:32", "holds '0:32', which is not QUEUE:WORKER"},
		{SECTION_PORT, "queue_workers", "0:1x", "holds '0:1x', which is not QUEUE:WORKER"},
		{SECTION_PORT, "queue_workers", "0:-1", "holds '0:-1', which is not QUEUE:WORKER"},
		{SECTION_PORT, "queue_workers", "16:0",
		 "holds '16:0', whose queue is none of 0 to 15"},
		{SECTION_PORT, "queue_workers", "0:1 0:1", "names queue 0 twice"},
		{SECTION_UPLINK, "queue_workers", "96:0", "whose queue is none of 0 to 95"},
		{SECTION_UPLINK, "device", "", "device: '' is empty; PCI address or vdev"},
		{SECTION_UPLINK, "device", ";x", "would start a comment"},
		{SECTION_UPLINK, "device", "x ", "starts or ends with a blank"},
		{SECTION_UPLINK, "device", "x\ny", "device: 'x?y' holds a control character"},
		{SECTION_UPLINK, "mtu", "67", "mtu: '67' is too small; 68 to 9600"},
		{SECTION_UPLINK, "mtu", "9601", "mtu: '9601' is too large; 68 to 9600"},
		{SECTION_UPLINK, "hairpin", "yes", "hairpin: 'yes' is not accepted; on or off"},
		{SECTION_UPLINK, "queues", "many", "queues: 'many' is not a number; auto or 1 to"},
		{SECTION_UPLINK, "queues", "0", "queues: '0' is too small; auto or 1 to 64"},
		{SECTION_UPLINK, "mode", "vepa",
		 "unknown key 'mode'; known: device, mtu, hairpin, queues"},
		{SECTION_PORT, "mod", "vepa",
		 "unknown key 'mod'; known: uplink, mode, mac, socket,"},
		{SECTION_PORT, "uplink", "a b", "uplink: 'a b' is not accepted; name of an uplink"},
		{SECTION_PORT, "uplink", L50, "is longer than 31 characters"},
		{SECTION_PORT, "mode", "vpea",
		 "mode: 'vpea' is not accepted; vepa, bridge, private or passthru"},
		{SECTION_PORT, "mode", "VEPA", "mode: 'VEPA' is not accepted"},
		{SECTION_PORT, "mode", "", "mode: '' is not accepted"},
		{SECTION_PORT, "mac", "x", "mac: 'x' is not accepted; unicast MAC address such as"},
		{SECTION_PORT, "mac", "01:00:5e:00:00:01",
		 "mac: '01:00:5e:00:00:01' is a multicast address"},
		{SECTION_PORT, "mac", "00:00:00:00:00:00", "mac: '00:00:00:00:00:00' is all zero"},
		{SECTION_PORT, "socket", "vm1.sock", "socket: 'vm1.sock' does not start with /"},
		{SECTION_PORT, "socket_role", "peer",
		 "socket_role: 'peer' is not accepted; server or client"},
		{SECTION_PORT, "socket_owner", "", "socket_owner: '' is empty; user, user:group"},
		{SECTION_PORT, "socket_owner", ":", "socket_owner: ':' is not accepted"},
		{SECTION_PORT, "socket_owner", "a:", "socket_owner: 'a:' is not accepted"},
		{SECTION_PORT, "socket_owner", "a:b:c",
		 "'a:b:c' is not accepted; user, user:group"},
		{SECTION_PORT, "socket_owner", L50 L50, "is longer than 63 characters"},
		{SECTION_PORT, "queues", "17", "queues: '17' is too large; 1 to 16"},
		{SECTION_PORT, "trust_guest_rx_filters", "all",
		 "trust_guest_rx_filters: 'all' is not accepted; off, multicast or on"},
		{SECTION_PORT, "own_source", "keep",
		 "own_source: 'keep' is not accepted; drop or deliver"},
		{SECTION_PORT, "qmp", "q", "qmp: 'q' does not start with /"},
		{SECTION_PORT, "qmp_device", L50 L50, "is longer than 63 characters"},
		{SECTION_PORT, "promisc", "1", "promisc: '1' is not accepted; on or off"},
		{SECTION_PORT, "maddr", "01:00:5e:00:00:01 zz",
		 "holds 'zz', which is not a MAC address; up to 64 MAC addresses"},
		{SECTION_PORT, "maddr", "\x01\xff", "holds '?\?', which is not a MAC address"},
		{SECTION_PORT, "maddr", "00:00:00:00:00:00",
		 "holds 00:00:00:00:00:00, which is all zero"},
		{SECTION_PORT, "maddr", "01:00:5E:00:00:0A 01-00-5e-00-00-0a",
		 "holds 01-00-5e-00-00-0a twice"},
	};
	union object o, before;
	struct errmsg e;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int err;

		fill_defaults(rows[i].section, &o);
		before = o;
		err = key_set(rows[i].section, &o, rows[i].key, rows[i].value, &e);
		assert_int_equal(err, strstr(rows[i].reason, "unknown") ? -ENOENT : -EINVAL);
		assert_has(e.text, rows[i].reason);
		assert_memory_equal(&o, &before, sizeof(o));
	}
	assert_int_equal(key_set(SECTION_PORT, &o, "mode", "x", NULL), -EINVAL);
}

/* The full list fits into TEXT_SIZE, and one more is refused by name. */
static void
test_maddr_limit(void **state)
{
	char list[(MAX_STATIC_ADDRESSES + 1) * MAC_TEXT_SIZE + 1] = "", text[TEXT_SIZE];
	struct port_settings p;
	struct errmsg e;

	(void)state;
	port_defaults(&p, "vm1");
	for (int i = 0; i < MAX_STATIC_ADDRESSES; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s01:00:5e:00:00:%02x",
			 i > 0 ? " " : "", i);
	assert_int_equal(key_set(SECTION_PORT, &p, "maddr", list, &e), 0);
	assert_int_equal(p.n_maddr, MAX_STATIC_ADDRESSES);
	assert_true(key_get(key_find(SECTION_PORT, "maddr"), &p, text, sizeof(text)));
	assert_string_equal(text, list);
	strlcat(list, " 33:33:ff:00:00:01", sizeof(list));
	assert_int_equal(key_set(SECTION_PORT, &p, "maddr", list, &e), -EINVAL);
	assert_has(e.text, "holds more than 64 addresses, 33:33:ff:00:00:01 is one too many");
	assert_int_equal(p.n_maddr, MAX_STATIC_ADDRESSES);
}

/* Every place named, with the longest numbers: key_get cuts nothing. */
static void
test_queue_workers_limit(void **state)
{
	char list[TEXT_SIZE] = "", text[TEXT_SIZE];
	struct uplink_settings u;
	struct errmsg e;

	(void)state;
	uplink_defaults(&u, "up0");
	for (int q = 0; q < MAX_NIC_QUEUES; q++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%d:31",
			 q > 0 ? " " : "", q);
	assert_int_equal(key_set(SECTION_UPLINK, &u, "queue_workers", list, &e), 0);
	assert_int_equal(u.queue_workers[MAX_NIC_QUEUES - 1], 32);
	assert_true(key_get(key_find(SECTION_UPLINK, "queue_workers"), &u, text, sizeof(text)));
	assert_string_equal(text, list);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),       cmocka_unit_test(test_macs),
		cmocka_unit_test(test_tables),      cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_good_values), cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_maddr_limit), cmocka_unit_test(test_queue_workers_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
