/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */

/*
 * config_save, alone and read back, and config/macvswitch.conf. Each test has its file in a
 * temporary folder, which goes away at the end. No root.
 */

#include "tests/unit/config_fixture.h"

#define SAMPLE_SIZE 65536 /* room for the commented configuration file */

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "config/keys.h"

static void
set(enum section section, void *object, const char *key, const char *value)
{
	struct errmsg e;

	if (key_set(section, object, key, value, &e) != 0)
		fail_msg("%s", e.text);
}

/* Every key of every section with a value that is not its default. */
static void
fill_all(struct settings *s)
{
	struct uplink_settings u;
	struct port_settings p;
	char list[MAX_STATIC_ADDRESSES * MAC_TEXT_SIZE + 1] = "", path[SOCKET_PATH_SIZE],
							 devargs[TEXT_SIZE];
	struct errmsg e;

	settings_init(s);
	memset(path, 'p', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	memset(devargs, 'd', sizeof(devargs));
	devargs[sizeof(devargs) - 1] = '\0';
	for (int i = 0; i < MAX_STATIC_ADDRESSES; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), " 01:00:5e:00:00:%02x",
			 i);
	set(SECTION_DAEMON, &s->daemon, "control", "/tmp/c.sock");
	set(SECTION_DAEMON, &s->daemon, "control_group", "kvm");
	set(SECTION_DAEMON, &s->daemon, "workers", "3");
	set(SECTION_DAEMON, &s->daemon, "rebalance", "on");
	set(SECTION_DAEMON, &s->daemon, "worker_cpus", "7,2-3");
	set(SECTION_DAEMON, &s->daemon, "eal", "--no-huge --vdev='a b',x=\"y;z#a\"");
	set(SECTION_DAEMON, &s->daemon, "idle", "poll");
	uplink_defaults(&u, "up0");
	set(SECTION_UPLINK, &u, "device", devargs);
	set(SECTION_UPLINK, &u, "mtu", "9000");
	set(SECTION_UPLINK, &u, "hairpin", "on");
	set(SECTION_UPLINK, &u, "queues", "4");
	assert_int_equal(settings_add_uplink(s, &u, &e), 0);
	port_defaults(&p, "vm1");
	set(SECTION_PORT, &p, "uplink", "up0");
	set(SECTION_PORT, &p, "mode", "passthru");
	set(SECTION_PORT, &p, "mac", "52:54:00:00:00:01");
	set(SECTION_PORT, &p, "socket", path);
	set(SECTION_PORT, &p, "socket_role", "client");
	set(SECTION_PORT, &p, "socket_owner", "root:root");
	set(SECTION_PORT, &p, "queues", "2");
	set(SECTION_PORT, &p, "trust_guest_rx_filters", "multicast");
	set(SECTION_PORT, &p, "own_source", "deliver");
	set(SECTION_PORT, &p, "qmp", "/run/q mp");
	set(SECTION_PORT, &p, "qmp_device", "net0");
	set(SECTION_PORT, &p, "allmulticast", "on");
	set(SECTION_PORT, &p, "promisc", "on");
	set(SECTION_PORT, &p, "maddr", list);
	set(SECTION_PORT, &p, "nopromisc", "on");
	set(SECTION_PORT, &p, "link_follow", "off");
	set(SECTION_PORT, &p, "max_addresses", "0");
	set(SECTION_PORT, &p, "max_filter_changes", "20");
	set(SECTION_PORT, &p, "queue_workers", "1:2");
	assert_int_equal(settings_add_port(s, &p, &e), 0);
	/* And a second pair, all default but for what must be. */
	uplink_defaults(&u, "up1");
	set(SECTION_UPLINK, &u, "device", "net_null0");
	assert_int_equal(settings_add_uplink(s, &u, &e), 0);
	port_defaults(&p, "host");
	set(SECTION_PORT, &p, "uplink", "up1");
	set(SECTION_PORT, &p, "device", "net_tap0,iface=host0");
	assert_int_equal(settings_add_port(s, &p, &e), 0);
}

/* Key by key; the tables hold every field but the names. */
static void
assert_same(enum section section, const void *a, const void *b)
{
	char x[TEXT_SIZE], y[TEXT_SIZE];

	for (const struct key *k = section_keys(section); k->name != NULL; k++) {
		assert_int_equal(key_get(k, a, x, sizeof(x)), key_get(k, b, y, sizeof(y)));
		assert_string_equal(x, y);
	}
}

static int
count_files(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 2;
}

static void
test_round_trip(void **state)
{
	struct fixture *f = *state;
	struct settings s, back;
	struct errmsg e = {""};

	fill_all(&s);
	if (config_save(f->file, &s, &e) != 0)
		fail_msg("%s", e.text);
	if (config_load(f->file, &back, &e) != 0)
		fail_msg("%s", e.text);
	assert_same(SECTION_DAEMON, &s.daemon, &back.daemon);
	assert_int_equal(back.n_uplinks, 2);
	assert_int_equal(back.n_ports, 2);
	for (uint32_t i = 0; i < 2; i++) {
		assert_string_equal(s.uplinks[i].name, back.uplinks[i].name);
		assert_same(SECTION_UPLINK, &s.uplinks[i], &back.uplinks[i]);
		assert_string_equal(s.ports[i].name, back.ports[i].name);
		assert_same(SECTION_PORT, &s.ports[i], &back.ports[i]);
	}
	assert_memory_equal(&s.daemon, &back.daemon, sizeof(s.daemon));
	assert_memory_equal(s.ports, back.ports, 2 * sizeof(*s.ports));
	assert_int_equal(count_files(f->dir), 1);
	settings_free(&s);
	settings_free(&back);
}

static char *
read_text(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 4096);

	assert_non_null(f);
	assert_true(fread(text, 1, 4095, f) > 0);
	fclose(f);
	return text;
}

/* Defaults are left out, the mac never is, and the old file's mode and a link to it stay. */
static void
test_save_file(void **state)
{
	struct fixture *f = *state;
	struct errmsg e = {""};
	struct settings s;
	struct stat st;
	char link_path[128], *text;

	load_ok(f, UP A "mode = vepa\nmac = 52:54:00:00:00:01\n", &s);
	unlink(f->file);
	assert_int_equal(config_save(f->file, &s, &e), 0);
	assert_int_equal(stat(f->file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	text = read_text(f->file);
	assert_non_null(strstr(text, "[daemon]\n\n[uplink up0]\ndevice = x\n\n[port a]\n"
				     "uplink = up0\nmac = 52:54:00:00:00:01\nsocket = /a\n"));
	assert_null(strstr(text, "mode ="));
	free(text);

	assert_int_equal(chmod(f->file, 0600), 0);
	snprintf(link_path, sizeof(link_path), "%s/link", f->dir);
	assert_int_equal(symlink(f->file, link_path), 0);
	assert_int_equal(config_save(link_path, &s, &e), 0);
	assert_int_equal(lstat(link_path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(unlink(link_path), 0);
	assert_int_equal(stat(f->file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	settings_free(&s);
}

/* What would not come back is refused, the old file stays, and nothing is left beside it. */
static void
test_save_refusals(void **state)
{
	struct fixture *f = *state;
	char path[160], *text;
	struct errmsg e;
	struct settings s;

	load_ok(f, UP A, &s);
	strlcpy(s.ports[0].device, "x ;y", sizeof(s.ports[0].device));
	assert_int_equal(config_save(f->file, &s, &e), -EINVAL);
	assert_has(e.text, f->file);
	assert_has(e.text, "cannot be saved: port a: device: 'x ;y' holds a ;");
	strlcpy(s.ports[0].device, "x\n[daemon]", sizeof(s.ports[0].device));
	assert_int_equal(config_save(f->file, &s, &e), -EINVAL);
	assert_has(e.text, "port a: device: 'x?[daemon]' holds a control character");
	s.ports[0].device[0] = '\0';
	strlcpy(s.uplinks[0].name, "a]", sizeof(s.uplinks[0].name));
	assert_int_equal(config_save(f->file, &s, &e), -EINVAL);
	assert_has(e.text, "uplink name 'a]' is not accepted");
	strlcpy(s.uplinks[0].name, "up0", sizeof(s.uplinks[0].name));
	text = read_text(f->file);
	assert_string_equal(text, UP A);
	free(text);

	snprintf(path, sizeof(path), "%s/none/x.conf", f->dir);
	assert_int_equal(config_save(path, &s, &e), -ENOENT);
	assert_has(e.text, path);
	assert_has(e.text, "cannot be saved: No such file or directory");
	snprintf(path, sizeof(path), "%s/folder", f->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(config_save(path, &s, &e), -EISDIR);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(count_files(f->dir), 1);
	settings_free(&s);
}

/* config/macvswitch.conf: good as it is, and with every line in use; it shows the true defaults. */
static void
test_example(void **state)
{
	char path[512], line[512], *all = calloc(1, SAMPLE_SIZE);
	const char *folder = strstr(__FILE__, "tests/unit/");
	struct uplink_settings u;
	struct port_settings p;
	struct settings s;
	struct errmsg e = {""};
	FILE *f;

	snprintf(path, sizeof(path), "%.*sconfig/macvswitch.conf", (int)(folder - __FILE__),
		 __FILE__);
	f = fopen(path, "r");
	if (f == NULL) { /* run from elsewhere than it was built */
		free(all);
		skip();
	}
	if (config_load(path, &s, &e) != 0)
		fail_msg("%s", e.text);
	assert_int_equal(s.n_uplinks + s.n_ports, 0);
	settings_free(&s);
	while (fgets(line, sizeof(line), f) != NULL)
		strlcat(all, line[0] == '#' && line[1] != ' ' ? line + 1 : line, SAMPLE_SIZE);
	fclose(f);
	for (int section = SECTION_DAEMON; section <= SECTION_PORT; section++) {
		for (const struct key *k = section_keys(section); k->name != NULL; k++) {
			snprintf(line, sizeof(line), "\n%s = ", k->name);
			assert_non_null(strstr(all, line));
		}
	}
	load_ok(*state, all, &s);
	free(all);
	assert_string_equal(s.daemon.control, "/run/macvswitch/control.sock");
	assert_int_equal(s.daemon.workers, 1);
	uplink_defaults(&u, "up0");
	assert_int_equal(s.uplinks[0].hairpin, u.hairpin);
	assert_int_equal(s.uplinks[0].queues, u.queues);
	port_defaults(&p, "vm1");
	assert_int_equal(s.ports[0].mode, p.mode);
	assert_int_equal(s.ports[0].socket_role, p.socket_role);
	assert_int_equal(s.ports[0].queues, p.queues);
	assert_int_equal(s.ports[0].trust_guest_rx_filters, p.trust_guest_rx_filters);
	assert_int_equal(s.ports[0].own_source, p.own_source);
	assert_false(s.ports[0].allmulticast || s.ports[0].promisc || s.ports[0].nopromisc);
	settings_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),
		TEST(test_save_file),
		TEST(test_save_refusals),
		TEST(test_example),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
