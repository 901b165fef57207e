/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */

/*
 * The tables of keys, and setting and reading one key by its name. Called by ini.c and save.c, by
 * the JSON-RPC server on the control thread, and by macvctl for its help and completion.
 * What the values look like is in key_types.c.
 */

#include "config/keys.h"

#include <bsd/string.h>
#include <errno.h>
#include <string.h>

#include "config/defaults.h"
#include "config/key_types.h"

#define STR_(x) #x
#define STR(x) STR_(x)
/* Where a field lives: every row needs both. */
#define FIELD(type, field) \
	.offset = offsetof(struct type, field), .size = sizeof(((struct type *)0)->field)
#define BOOLEAN .values = "on or off", .parse = parse_bool, .format = format_bool
#define CHOICE(list) .choices = list, .parse = parse_choice, .format = format_choice
#define TEXT(kind) .parse = parse_##kind, .format = format_text
#define NUMBER(low, high) .min = low, .max = high, .values = STR(low) " to " STR(high)

#define QUEUE_WORKERS                                                                       \
	.when = KEY_ANY_TIME, .parse = parse_queue_workers, .format = format_queue_workers, \
	.values = "auto, or QUEUE:WORKER pairs such as 0:1 1:0, blank separated"

#define PATH_VALUES "absolute path of at most 107 characters"
_Static_assert(SOCKET_PATH_SIZE == 108, "PATH_VALUES names the limit");
_Static_assert(sizeof(enum port_mode) == sizeof(unsigned int), "parse_choice writes an int");

static const struct choice idle_choices[] = {{"sleep", IDLE_SLEEP}, {"poll", IDLE_POLL}, {0}};
static const struct choice mode_choices[] = {
	{"vepa", MODE_VEPA},
	{"bridge", MODE_BRIDGE},
	{"private", MODE_PRIVATE},
	{"passthru", MODE_PASSTHRU},
	{0},
};
static const struct choice role_choices[] = {{"server", ROLE_SERVER}, {"client", ROLE_CLIENT}, {0}};
static const struct choice trust_choices[] = {
	{"off", TRUST_OFF}, {"multicast", TRUST_MULTICAST}, {"on", TRUST_ON}, {0}};
static const struct choice demux_choices[] = {{"auto", DEMUX_AUTO},
					      {"flow", DEMUX_FLOW},
					      {"filter", DEMUX_FILTER},
					      {"promisc", DEMUX_PROMISC},
					      {0}};
static const struct choice own_source_choices[] = {
	{"drop", OWN_SOURCE_DROP}, {"deliver", OWN_SOURCE_DELIVER}, {0}};

/* One block a key is easier to scan than packed lines. */
/* clang-format off */
static const struct key daemon_keys[] = {
	{"control", FIELD(daemon_settings, control), TEXT(path), .values = PATH_VALUES,
	 .help = "unix socket that macvctl talks to, mode 0660"},
	{"control_group", FIELD(daemon_settings, control_group), TEXT(group),
	 .values = "name or number of a group", .help = "group that may use the control socket"},
	{"workers", FIELD(daemon_settings, workers), NUMBER(1, MAX_WORKERS), .when = KEY_ANY_TIME,
	 .parse = parse_number, .format = format_number, .help = "how many polling cores"},
	{"worker_cpus", FIELD(daemon_settings, worker_cpus), TEXT(cpus), .when = KEY_ANY_TIME,
	 .values = "auto, or a CPU list such as 2-5,7 of at most " STR(MAX_WORKERS)
		   " CPUs, each named once",
	 .help = "the CPUs of the workers; their number is the number of workers"},
	{"eal", FIELD(daemon_settings, eal), TEXT(eal), .values = "arguments for DPDK's EAL",
	 .help = "by default hugepages if there are free ones, else --no-huge -m 512"},
	{"idle", FIELD(daemon_settings, idle), CHOICE(idle_choices), .values = "sleep or poll",
	 .help = "what a worker without frames does"},
	{"idle_after", FIELD(daemon_settings, idle_after), NUMBER(10, 1000000),
	 .parse = parse_number, .format = format_number,
	 .help = "microseconds without frames before a worker sleeps"},
	{"idle_step", FIELD(daemon_settings, idle_step), NUMBER(10, 10000), .parse = parse_number,
	 .format = format_number,
	 .help = "microseconds between looks at a device that cannot wake a sleeping worker"},
	{"rebalance", FIELD(daemon_settings, rebalance), BOOLEAN, .when = KEY_ANY_TIME,
	 .help = "move queues between workers by measured load"},
	{0},
};

static const struct key uplink_keys[] = {
	{"device", FIELD(uplink_settings, device), TEXT(text),
	 .values = "PCI address or vdev, with its devargs",
	 .help = "the NIC, such as 0000:3b:00.0 or net_af_packet0,iface=eth1"},
	{"mtu", FIELD(uplink_settings, mtu), NUMBER(MIN_MTU, MAX_MTU), .when = KEY_ANY_TIME,
	 .parse = parse_number, .format = format_number,
	 .help = "bytes of payload; by default the device's own"},
	{"hairpin", FIELD(uplink_settings, hairpin), BOOLEAN, .when = KEY_ANY_TIME,
	 .help = "be the reflective relay for vepa ports instead of the outside switch"},
	{"queues", FIELD(uplink_settings, queues), .min = 1, .max = MAX_UPLINK_QUEUES,
	 .parse = parse_auto, .format = format_auto,
	 .values = "auto or 1 to " STR(MAX_UPLINK_QUEUES), .help = "receive queues"},
	{"demux", FIELD(uplink_settings, demux), CHOICE(demux_choices), .when = KEY_ANY_TIME,
	 .values = "auto, flow, filter or promisc",
	 .help = "how addresses may reach their ports: up to which tier the NIC sorts"},
	{"flood_share", FIELD(uplink_settings, flood_share), NUMBER(1, 100), .when = KEY_ANY_TIME,
	 .parse = parse_number, .format = format_number,
	 .help = "percent of a worker's time that each source's broadcast and multicast may take "
		 "while there is unicast; 100: no limit"},
	{"offloads", FIELD(uplink_settings, offloads), BOOLEAN,
	 .help = "use the NIC's checksum and segmentation offloads"},
	{"queue_workers", FIELD(uplink_settings, queue_workers), QUEUE_WORKERS,
	 .help = "which worker polls which receive queue"},
	{0},
};

static const struct key port_keys[] = {
	{"uplink", FIELD(port_settings, uplink), TEXT(name), .values = "name of an uplink",
	 .help = "the uplink that the port sits on"},
	{"mode", FIELD(port_settings, mode), CHOICE(mode_choices), .when = KEY_ANY_TIME,
	 .values = "vepa, bridge, private or passthru",
	 .help = "who the port may talk to directly"},
	{"mac", FIELD(port_settings, mac), .parse = parse_mac, .format = format_mac,
	 .when = KEY_ANY_TIME, .values = "unicast MAC address such as 52:54:00:00:00:01",
	 .help = "the guest's address; generated when absent"},
	{"socket", FIELD(port_settings, socket), TEXT(path), .values = PATH_VALUES,
	 .help = "vhost-user socket of the guest"},
	{"device", FIELD(port_settings, device), TEXT(text), .values = "vdev with its devargs",
	 .help = "instead of socket: a device such as net_tap0,iface=host0 for the host's stack"},
	{"socket_role", FIELD(port_settings, socket_role), CHOICE(role_choices),
	 .values = "server or client", .help = "who listens: the daemon is server or client"},
	{"socket_owner", FIELD(port_settings, socket_owner), TEXT(owner),
	 .values = "user, user:group or :group", .help = "who owns the socket"},
	{"queues", FIELD(port_settings, queues), NUMBER(1, MAX_QUEUE_PAIRS), .parse = parse_number,
	 .format = format_number, .help = "queue pairs"},
	{"offloads", FIELD(port_settings, offloads), BOOLEAN,
	 .help = "offer the guest checksum and segmentation offloads"},
	{"trust_guest_rx_filters", FIELD(port_settings, trust_guest_rx_filters),
	 CHOICE(trust_choices), .when = KEY_ANY_TIME, .values = "off, multicast or on",
	 .help = "which part of the guest's receive filter is applied"},
	{"own_source", FIELD(port_settings, own_source), CHOICE(own_source_choices),
	 .when = KEY_ANY_TIME, .values = "drop or deliver",
	 .help = "frames from the wire that carry the port's own source address"},
	{"qmp", FIELD(port_settings, qmp), TEXT(optional_path), .when = KEY_ANY_TIME,
	 .values = PATH_VALUES ", or empty for none",
	 .help = "QEMU's QMP socket, to follow the guest's receive filter"},
	{"qmp_device", FIELD(port_settings, qmp_device), TEXT(optional_text), .when = KEY_ANY_TIME,
	 .values = "the -device id, at most 63 characters, or empty for none",
	 .help = "which device of that QEMU the port is"},
	{"allmulticast", FIELD(port_settings, allmulticast), BOOLEAN, .when = KEY_ANY_TIME,
	 .help = "accept all multicast"},
	{"promisc", FIELD(port_settings, promisc), BOOLEAN, .when = KEY_ANY_TIME,
	 .help = "accept what no port owns"},
	{"maddr", FIELD(port_settings, maddr), .parse = parse_maddr, .format = format_maddr,
	 .when = KEY_ANY_TIME,
	 .values = "up to " STR(MAX_STATIC_ADDRESSES) " MAC addresses, blank separated",
	 .help = "static receive-filter entries, unicast or multicast"},
	{"nopromisc", FIELD(port_settings, nopromisc), BOOLEAN, .when = KEY_ANY_TIME,
	 .help = "passthru only: leave the uplink out of promiscuous mode"},
	{"link_follow", FIELD(port_settings, link_follow), BOOLEAN, .when = KEY_ANY_TIME,
	 .help = "the guest's link goes down and up with the uplink's (needs qmp)"},
	{"max_addresses", FIELD(port_settings, max_addresses), NUMBER(0, MAX_GUEST_ADDRESSES),
	 .when = KEY_ANY_TIME, .parse = parse_number, .format = format_number,
	 .help = "how many addresses the guest may bring by its receive filter"},
	{"max_filter_changes", FIELD(port_settings, max_filter_changes), NUMBER(1, 1000),
	 .when = KEY_ANY_TIME, .parse = parse_number, .format = format_number,
	 .help = "how often in a second the guest's receive filter is applied; the rest coalesces"},
	{"queue_workers", FIELD(port_settings, queue_workers), QUEUE_WORKERS,
	 .help = "which worker polls which queue pair"},
	{0},
};
/* clang-format on */

const struct key *
section_keys(enum section section)
{
	switch (section) {
	case SECTION_DAEMON:
		return daemon_keys;
	case SECTION_UPLINK:
		return uplink_keys;
	case SECTION_PORT:
		break;
	}
	return port_keys;
}

const char *
section_name(enum section section)
{
	switch (section) {
	case SECTION_DAEMON:
		return "daemon";
	case SECTION_UPLINK:
		return "uplink";
	case SECTION_PORT:
		break;
	}
	return "port";
}

const struct key *
key_find(enum section section, const char *name)
{
	for (const struct key *k = section_keys(section); k->name != NULL; k++)
		if (strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

/* What a user typed, fit for a one-line error text. */
static const char *
printable(char *text)
{
	for (char *c = text; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return text;
}

/* The same of a copy, short enough to leave room for the reason. */
static const char *
shown(const char *value, char *buf, size_t size)
{
	if (strlcpy(buf, value, size) >= size)
		strlcpy(buf + size - 4, "...", 4);
	return printable(buf);
}

static int
unknown_key(enum section section, const char *name, struct errmsg *e)
{
	char quoted[48], known[384] = "";

	for (const struct key *k = section_keys(section); k->name != NULL; k++) {
		if (known[0] != '\0')
			strlcat(known, ", ", sizeof(known));
		strlcat(known, k->name, sizeof(known));
	}
	return err_set(e, -ENOENT, "unknown key '%s'; known: %s",
		       shown(name, quoted, sizeof(quoted)), known);
}

int
key_set(enum section section, void *object, const char *name, const char *value, struct errmsg *e)
{
	const struct key *key = key_find(section, name);
	struct errmsg why = {""};
	char quoted[80];

	if (key == NULL)
		return unknown_key(section, name, e);
	if (key->parse(key, (char *)object + key->offset, value, &why) == 0)
		return 0;
	return err_set(e, -EINVAL, "%s: '%s' %s; %s", name, shown(value, quoted, sizeof(quoted)),
		       why.text[0] != '\0' ? printable(why.text) : "is not accepted", key->values);
}

bool
key_get(const struct key *key, const void *object, char *buf, size_t size)
{
	buf[0] = '\0';
	return key->format(key, (const char *)object + key->offset, buf, size);
}
