/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */

/*
 * config_load and the rules over all settings: every reason with its file, line, section and key.
 * Each test has its file in a temporary folder, which goes away at the end. No root.
 */

#include "tests/unit/config_fixture.h"

#include <errno.h>

#include "config/keys.h"

/* The error is "FILE:LINE: REASON...", or without a line where line is 0; *s stays untouched. */
static void
load_bad_bytes(struct fixture *f, const char *data, size_t len, unsigned int line,
	       const char *reason)
{
	struct settings s, before;
	char start[128];
	struct errmsg e = {""};
	int err;

	memset(&s, 0x5a, sizeof(s));
	before = s;
	write_bytes(f->file, data, len);
	err = config_load(f->file, &s, &e);
	assert_true(err == -EINVAL || err == -EEXIST || err == -ENOENT || err == -ENOSPC);
	assert_memory_equal(&s, &before, sizeof(s));
	if (line > 0)
		snprintf(start, sizeof(start), "%s:%u: ", f->file, line);
	else
		snprintf(start, sizeof(start), "%s: ", f->file);
	assert_has(e.text, start);
	assert_has(e.text, reason);
	assert_int_equal(config_load(f->file, &s, NULL), err);
}

static void
load_bad(struct fixture *f, const char *text, unsigned int line, const char *reason)
{
	load_bad_bytes(f, text, strlen(text), line, reason);
}

static void
test_sample(void **state)
{
	struct settings s;

	load_ok(*state,
		"[daemon]\n"
		"control = /run/macvswitch/control.sock   ; unix socket, mode 0660\n"
		"control_group = macvswitch               ; optional\n"
		"worker_cpus = 2-5,7                      ; optional: which CPUs\n"
		"eal = --no-huge -m 512                   # optional\n"
		"[uplink up0]\n"
		"device = 0000:3b:00.0                    ; or a vdev\n"
		"mtu = 1500\nhairpin = off\nqueues = auto\n"
		"[port vm1]\r\nuplink = up0\r\nmode=bridge\nmac : 52:54:00:00:00:01\n"
		"socket = /run/macvswitch/vm1.sock        ; or device\n"
		"maddr = 01:00:5e:01:02:03 33:33:ff:00:00:01   ; static\n"
		"   01:00:5e:01:02:04\n\n# comment\n   ; comment\n\t01:00:5e:01:02:05 ; more\n"
		"[ port   vm2 ] ; behind\nuplink = up0\ndevice = net_tap0,iface=host0",
		&s);
	assert_string_equal(s.daemon.control_group, "macvswitch");
	assert_int_equal(s.daemon.workers, 5);
	assert_string_equal(s.daemon.worker_cpus, "2-5,7");
	assert_string_equal(s.daemon.eal, "--no-huge -m 512");
	assert_int_equal(s.n_uplinks, 1);
	assert_string_equal(s.uplinks[0].device, "0000:3b:00.0");
	assert_int_equal(s.uplinks[0].mtu, 1500);
	assert_int_equal(s.n_ports, 2);
	assert_int_equal(s.ports[0].mode, MODE_BRIDGE);
	assert_int_equal(mac_to_u64(&s.ports[0].mac), 0x525400000001);
	assert_string_equal(s.ports[0].socket, "/run/macvswitch/vm1.sock");
	assert_int_equal(s.ports[0].n_maddr, 4);
	assert_int_equal(mac_to_u64(&s.ports[0].maddr[3]), 0x01005e010205);
	assert_ptr_equal(settings_find_port(&s, "vm2"), &s.ports[1]);
	assert_ptr_equal(settings_find_uplink(&s, "up0"), &s.uplinks[0]);
	assert_null(settings_find_port(&s, "up0"));
	assert_null(settings_find_uplink(&s, "vm1"));
	settings_free(&s);
}

static void
test_small_files(void **state)
{
	char name[64] = "", text[256];
	struct settings s;

	load_ok(*state, "", &s);
	assert_int_equal(s.daemon.workers, 1);
	assert_string_equal(s.daemon.control, "/run/macvswitch/control.sock");
	settings_free(&s);
	load_ok(*state, "\xEF\xBB\xBF[daemon]\nidle = poll\n# the end", &s);
	assert_int_equal(s.daemon.idle, IDLE_POLL);
	settings_free(&s);
	/* A continuation right after the key, and a port before its uplink. */
	load_ok(*state,
		"[port a]\nuplink = u\nsocket = /a\nmaddr =\n  01:00:5e:00:00:02\n[uplink u]\n"
		"device = x\n[daemon]\nworkers = 2\nworker_cpus = 0,1\n",
		&s);
	assert_int_equal(s.ports[0].n_maddr, 1);
	settings_free(&s);
	memset(name, 'n', 31);
	snprintf(text, sizeof(text), "[uplink %s]\ndevice = x\n", name);
	load_ok(*state, text, &s);
	assert_string_equal(s.uplinks[0].name, name);
	settings_free(&s);
	name[31] = 'n';
	snprintf(text, sizeof(text), "[uplink %s]\ndevice = x\n", name);
	load_bad(*state, text, 1, "1 to 31 of [A-Za-z0-9._-]");
}

static void
test_bad_lines(void **state)
{
	static const struct {
		const char *text;
		unsigned int line;
		const char *reason;
	} rows[] = {
		{"[port vm1]\nuplink = u\nmode = vpea\n", 3,
		 "[port vm1] mode: 'vpea' is not accepted; vepa, bridge, private or passthru"},
		{"[port vm1]\nmod = vepa\n", 2,
		 "[port vm1] unknown key 'mod'; known: uplink, mode, mac, socket"},
		{"[daemon]\n\n# x\nworkers = 0\n", 4,
		 "[daemon] workers: '0' is too small; 1 to 32"},
		{"[uplink u]\nmode = vepa\n", 2,
		 "[uplink u] unknown key 'mode'; known: device, mtu, hairpin, queues"},
		{"[uplink u]\ndevice =\n", 2, "[uplink u] device: '' is empty"},
		{"[uplink u]\ndevice = ;x\n", 2, "[uplink u] device: '' is empty"},
		{"[host]\n", 1,
		 "unknown section [host]; accepted: [daemon], [uplink NAME], [port NAME]"},
		{"[\xe4\x01]\n", 1, "unknown section [\?\?]; accepted: [daemon]"},
		{"[daemon x]\n", 1, "unknown section [daemon x]; accepted: [daemon]"},
		{"[]\n", 1, "unknown section []; accepted: [daemon], [uplink NAME], [port NAME]"},
		{"[uplink]\n", 1, "section [uplink]: uplink name '' is not accepted; 1 to 31 of"},
		{"[port a b]\n", 1, "section [port a b]: port name 'a b' is not accepted"},
		{"[port vm1\nuplink = x]\n", 1, "a section without ']'; accepted: [daemon]"},
		{"[daemon] workers = 2\n", 1, "text behind ']'; a section has its line for itself"},
		{"  [daemon]\nworkers = 1\n", 1, "a section must not be indented"},
		{"[daemon]\nworkers = 1\n [daemon]\n", 3, "a section must not be indented"},
		{"[daemon]\nworkers\n", 2, "[daemon] neither a [section] nor KEY = VALUE"},
		{"[daemon]\nworkers ; = 2\n", 2, "[daemon] neither a [section] nor KEY = VALUE"},
		{"what\n", 1, "neither a [section] nor KEY = VALUE"},
		{"[daemon]\n= 2\n", 2, "[daemon] unknown key ''; known: control, "},
		{"mode = vepa\n", 1, "key 'mode' before any section; accepted: [daemon], "},
		{"[daemon]\nworkers = 1\nworkers = 1\n", 3,
		 "[daemon] workers: given twice; first in line 2"},
		{"[daemon]\nworkers = 1\n  idle = poll\n", 3,
		 "[daemon] workers: given twice: a line "
		 "that starts with a blank continues"},
		{"[port a]\nmaddr = 01:00:5e:00:00:02\nmaddr = 01:00:5e:00:00:03\n", 3,
		 "[port a] maddr: given twice; first in line 2"},
		{"[port a]\nmaddr = 01:00:5e:00:00:02\n  01:00:5e:00:00:02\n", 3,
		 "[port a] maddr: "},
		{"[daemon]\n[uplink u]\ndevice = x\n[daemon]\n", 4,
		 "[daemon] given twice; first in line 1"},
		{"[uplink u]\ndevice = x\n[uplink u]\n", 3,
		 "[uplink u] given twice; first in line 1"},
		{"[port u]\n[uplink u]\ndevice = x\n[port u]\n", 4,
		 "[port u] given twice; first in line 1"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		load_bad(*state, rows[i].text, rows[i].line, rows[i].reason);
}

/* What libinih would cut without a word. */
static void
test_cuts(void **state)
{
	static const char nul[] = "[daemon]\nworkers = 1\0x\n";
	static char text[200000];

	load_bad_bytes(*state, nul, sizeof(nul) - 1, 2, "[daemon] the line holds a NUL byte");

	memcpy(text, "[daemon]\neal = ", sizeof("[daemon]\neal = "));
	memset(text + 15, 'x', 70000);
	memcpy(text + 70015, "\nworkers = 1\n", sizeof("\nworkers = 1\n"));
	load_bad(*state, text, 2, "[daemon] the line is longer than 65533 characters");
	memcpy(text + 15 + 65000, "\nworkers = 1\n", sizeof("\nworkers = 1\n"));
	load_bad(*state, text, 2, "is longer than 1279 characters; arguments for DPDK's EAL");

	/* Names are cut at 50 characters in inih: both uplinks would be one. */
	memcpy(text, "[daemon]\n", sizeof("[daemon]\n"));
	memset(text + 9, 'k', 60);
	memcpy(text + 69, " = 1\n", sizeof(" = 1\n"));
	load_bad(*state, text, 2, "unknown key 'kkkk");
	memcpy(text, "[uplink ", sizeof("[uplink "));
	memset(text + 8, 'k', 60);
	memcpy(text + 68, "]\n", sizeof("]\n"));
	load_bad(*state, text, 1, "section [uplink kkkk");
}

static void
test_rules(void **state)
{
	static const struct {
		const char *text;
		unsigned int line;
		const char *reason;
	} rows[] = {
		{"[uplink u]\nmtu = 1500\n", 1,
		 "[uplink u] device: is missing; PCI address or vdev"},
		{UP "[port a]\nsocket = /a\n", 3, "[port a] uplink: is missing; name of an uplink"},
		{UP U2 "[port a]\nuplink = up9\nsocket = /a\n", 5,
		 "[port a] uplink: there is no uplink 'up9'; known: up0, up1"},
		{"[port a]\nuplink = up9\nsocket = /a\n", 1,
		 "[port a] uplink: there is no uplink 'up9'; known: none"},
		{UP "[port a]\nuplink = up0\n", 3, "[port a] socket: is missing; a socket"},
		{UP A "device = net_tap0,iface=h\n", 3,
		 "[port a] device: 'net_tap0,iface=h' is given beside socket '/a'; exactly one"},
		{"[daemon]\nworkers = 3\nworker_cpus = 1,2\n", 1,
		 "[daemon] workers: '3' differs from the 2 CPUs of worker_cpus '1,2'"},
		{"[daemon]\nworker_cpus = 1,2\nworkers = 1\n", 1,
		 "[daemon] workers: '1' differs from the 2 CPUs of worker_cpus '1,2'"},
		{UP A "queues = 2\nqueue_workers = 0:0 1:1\n", 3,
		 "[port a] queue_workers: '1:1': there is no worker 1; 0 to 0"},
		{"[daemon]\nworkers = 2\n" UP A "queues = 2\nqueue_workers = 2:1\n", 5,
		 "[port a] queue_workers: '2:1': there is no queue 2; 0 to 1"},
		{UP "queue_workers = 3:1\n", 1,
		 "[uplink up0] queue_workers: '3:1': there is no worker 1; 0 to 0"},
		{UP A "[port b]\nuplink = up0\nsocket = /a\n", 6,
		 "[port b] socket: '/a' is port a's already"},
		{UP U2 A "[port b]\nuplink = up1\nsocket = /a\n", 8,
		 "[port b] socket: '/a' is port a's already"},
		{"[daemon]\ncontrol = /a\n" UP A, 5,
		 "[port a] socket: '/a' is the daemon's control socket"},
		{UP "[uplink up1]\ndevice = x,a=b\n", 3,
		 "[uplink up1] device: 'x,a=b' is uplink up0's already"},
		{"[uplink a]\ndevice = 0000:3B:00.0\n[uplink b]\ndevice = 3b:00.0,a=b\n", 3,
		 "[uplink b] device: '3b:00.0,a=b' is uplink a's already"},
		{UP "[port a]\nuplink = up0\ndevice = x,i=2\n", 3,
		 "[port a] device: 'x,i=2' is uplink up0's already"},
		{UP "[port a]\nuplink = up0\ndevice = t\n[port b]\nuplink = up0\ndevice = t,i=2\n",
		 6, "[port b] device: 't,i=2' is port a's already"},
		{UP A "mac = 52:54:00:00:00:01\n" B "mac = 52:54:00:00:00:01\n", 7,
		 "[port b] mac: '52:54:00:00:00:01' is port a's already (its mac, on the same "
		 "uplink up0)"},
		{UP A "mac = 52:54:00:00:00:01\n" B "maddr = 01:00:5e:00:00:02 52:54:00:00:00:01\n",
		 7, "[port b] maddr: '52:54:00:00:00:01' is port a's already (its mac"},
		{UP A "maddr = 52:54:00:00:00:01\n" B "mac = 52:54:00:00:00:01\n", 7,
		 "[port b] mac: '52:54:00:00:00:01' is port a's already (its maddr"},
		{UP A "maddr = 52:54:00:00:00:01\n" B "maddr = 52:54:00:00:00:01\n", 7,
		 "[port b] maddr: '52:54:00:00:00:01' is port a's already (its maddr"},
		{UP A "mode = passthru\n" B, 7,
		 "[port b] uplink: 'up0' has the passthru port a, which needs it for itself"},
		{UP A B "mode = passthru\n", 6,
		 "[port b] mode: 'passthru' needs the uplink up0 for itself, but port a is on it"},
		{UP A "nopromisc = on\n", 3,
		 "[port a] nopromisc: 'on' is only accepted with mode passthru, not vepa"},
		{UP A "qmp = /q\n", 3, "[port a] qmp_device: is missing; qmp needs qmp_device"},
	};
	static const char *const good[] = {
		UP A B,
		UP A "maddr = 01:00:5e:00:00:02\n" B "maddr = 01:00:5e:00:00:02\n",
		UP U2 A "mac = 52:54:00:00:00:01\n"
			"[port b]\nuplink = up1\nsocket = /b\nmac = 52:54:00:00:00:01\n",
		UP U2 A "mode = passthru\nnopromisc = on\n[port b]\nuplink = up1\nsocket = /b\n",
		UP A "qmp_device = net0\n",
		UP A "mac = 52:54:00:00:00:01\nmaddr = 52:54:00:00:00:01\n",
	};
	struct settings s;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		load_bad(*state, rows[i].text, rows[i].line, rows[i].reason);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		load_ok(*state, good[i], &s);
		settings_free(&s);
	}
}

/* What the file's parser cannot deliver, but a caller with structs can. */
static void
test_struct_rules(void **state)
{
	struct uplink_settings u;
	struct port_settings p;
	struct settings s;
	struct errmsg e;

	load_ok(*state, UP A "mac = 52:54:00:00:00:01\n", &s);
	assert_int_equal(settings_add_uplink(&s, &s.uplinks[0], &e), -EEXIST);
	assert_has(e.text, "uplink up0: the name is taken");
	p = s.ports[0];
	assert_int_equal(settings_add_port(&s, &p, &e), -EEXIST);
	assert_has(e.text, "port a: the name is taken");

	/* An object is not held against its own old self. */
	assert_int_equal(port_settings_check(&s, &p, &e), 0);
	assert_int_equal(uplink_settings_check(&s, &s.uplinks[0], &e), 0);
	strlcpy(p.name, "b", sizeof(p.name));
	assert_int_equal(port_settings_check(&s, &p, &e), -EEXIST);
	assert_has(e.text, "port b: socket: '/a' is port a's already");
	strlcpy(p.socket, "/b", sizeof(p.socket));
	p.mac.b[0] = 1;
	assert_int_equal(port_settings_check(&s, &p, &e), -EINVAL);
	assert_has(e.text, "port b: mac: '01:54:00:00:00:01' is a multicast address");
	p.mac.b[0] = 2;
	p.queues = 0;
	assert_int_equal(port_settings_check(&s, &p, &e), -EINVAL);
	assert_has(e.text, "port b: queues: '0' is not accepted; 1 to 16");
	p.queues = 1;
	p.n_maddr = MAX_STATIC_ADDRESSES + 1;
	assert_int_equal(port_settings_check(&s, &p, &e), -EINVAL);
	assert_has(e.text, "port b: maddr: '65' addresses; up to 64");
	p.n_maddr = 0;
	strlcpy(p.uplink, "none", sizeof(p.uplink));
	assert_int_equal(port_settings_check(&s, &p, &e), -ENOENT);
	strlcpy(p.name, "b b", sizeof(p.name));
	assert_int_equal(port_settings_check(&s, &p, &e), -EINVAL);
	assert_has(e.text, "port name 'b b'");

	u = s.uplinks[0];
	u.mtu = 60;
	assert_int_equal(uplink_settings_check(&s, &u, &e), -EINVAL);
	assert_has(e.text, "uplink up0: mtu: '60' is not accepted; 68 to 9600");
	u.mtu = 0;
	u.queues = 1000;
	assert_int_equal(uplink_settings_check(&s, &u, &e), -EINVAL);
	assert_has(e.text, "uplink up0: queues: '1000' is not accepted; auto or 1 to 64");

	s.daemon.workers = 0;
	assert_int_equal(settings_check(&s, &e), -EINVAL);
	assert_has(e.text, "daemon: workers: '0' is not accepted; 1 to 32");
	s.daemon.control[0] = '\0';
	assert_int_equal(settings_check(&s, &e), -EINVAL);
	assert_has(e.text, "daemon: control: '' is not accepted; absolute path");
	settings_free(&s);
	assert_null(s.ports);
}

static void
test_limits(void **state)
{
	struct uplink_settings u;
	struct port_settings p;
	struct settings s;
	struct errmsg e;
	char text[1024] = "", name[NAME_SIZE];

	settings_init(&s);
	for (int i = 0; i <= MAX_UPLINKS; i++) {
		snprintf(name, sizeof(name), "up%d", i);
		uplink_defaults(&u, name);
		assert_int_equal(settings_add_uplink(&s, &u, &e), i < MAX_UPLINKS ? 0 : -ENOSPC);
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "[uplink %s]\ndevice = x%d\n", name, i);
	}
	assert_has(e.text, "uplink up16: there can be at most 16 uplinks");
	for (int i = 0; i <= MAX_PORTS; i++) {
		snprintf(name, sizeof(name), "vm%d", i);
		port_defaults(&p, name);
		assert_int_equal(settings_add_port(&s, &p, &e), i < MAX_PORTS ? 0 : -ENOSPC);
	}
	assert_has(e.text, "port vm256: there can be at most 256 ports");
	settings_free(&s);
	load_bad(*state, text, 33, "uplink up16: there can be at most 16 uplinks");
}

static void
test_unreadable(void **state)
{
	struct fixture *f = *state;
	struct settings s;
	struct errmsg e;

	assert_int_equal(config_load(f->file, &s, &e), -ENOENT);
	assert_has(e.text, f->file);
	assert_has(e.text, "cannot be read: No such file");
	assert_int_equal(config_load(f->dir, &s, &e), -EISDIR);
	assert_has(e.text, f->dir);
	assert_has(e.text, "cannot be read: Is a directory");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_sample), TEST(test_small_files), TEST(test_bad_lines),
		TEST(test_cuts),   TEST(test_rules),       TEST(test_struct_rules),
		TEST(test_limits), TEST(test_unreadable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
