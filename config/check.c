/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */

/*
 * The rules that one value alone cannot show: what an object must have, and what two objects must
 * not share. Called on the control thread by config_load, and by the port and uplink commands
 * before they touch the running switch. Every reason starts with "port NAME: KEY: " or
 * "uplink NAME: KEY: " (ini.c replaces the object by its section), and names the other culprit.
 */

#include <bsd/string.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "config/config.h"
#include "config/defaults.h"
#include "config/keys.h"
#include "config/queue_workers.h"

/*
 * Do two devargs name one device? Up to the first comma, without the bus and the PCI domain 0,
 * both of which DPDK lets one leave out.
 */
static bool
same_device(const char *a, const char *b)
{
	static const char *const prefixes[] = {"pci:", "vdev:", "0000:"};
	size_t len;

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		len = strlen(prefixes[i]);
		a += strncmp(a, prefixes[i], len) == 0 ? len : 0;
		b += strncmp(b, prefixes[i], len) == 0 ? len : 0;
	}
	len = strcspn(a, ",");
	return len == strcspn(b, ",") && strncasecmp(a, b, len) == 0;
}

/* kind and name: whose device this is, to skip the object itself. */
static int
check_device(const struct settings *s, const char *kind, const char *name, const char *device,
	     struct errmsg *e)
{
	bool is_uplink = strcmp(kind, "uplink") == 0;

	for (uint32_t i = 0; i < s->n_uplinks; i++) {
		const struct uplink_settings *u = &s->uplinks[i];

		if (!(is_uplink && strcmp(u->name, name) == 0) && same_device(u->device, device))
			return err_set(e, -EEXIST, "%s %s: device: '%.128s' is uplink %s's already",
				       kind, name, device, u->name);
	}
	for (uint32_t i = 0; i < s->n_ports; i++) {
		const struct port_settings *p = &s->ports[i];

		if (p->device[0] == '\0' || (!is_uplink && strcmp(p->name, name) == 0))
			continue;
		if (same_device(p->device, device))
			return err_set(e, -EEXIST, "%s %s: device: '%.128s' is port %s's already",
				       kind, name, device, p->name);
	}
	return 0;
}

static int
check_queue_workers(const char *kind, const char *name, const uint8_t *list, uint32_t n,
		    uint32_t queues, uint32_t workers, struct errmsg *e)
{
	struct errmsg why;
	int err = queue_workers_check(list, n, queues, workers, &why);

	return err == 0 ? 0 : err_set(e, err, "%s %s: %s", kind, name, why.text);
}

int
uplink_settings_check(const struct settings *s, const struct uplink_settings *u, struct errmsg *e)
{
	int err = name_check("uplink", u->name, e);

	if (err != 0)
		return err;
	if (u->device[0] == '\0')
		return err_set(e, -EINVAL, "uplink %s: device: is missing; %s", u->name,
			       key_find(SECTION_UPLINK, "device")->values);
	if (u->mtu != 0 && (u->mtu < MIN_MTU || u->mtu > MAX_MTU))
		return err_set(e, -EINVAL, "uplink %s: mtu: '%u' is not accepted; %d to %d",
			       u->name, u->mtu, MIN_MTU, MAX_MTU);
	if (u->queues > MAX_UPLINK_QUEUES)
		return err_set(e, -EINVAL,
			       "uplink %s: queues: '%u' is not accepted; auto or 1 to %d", u->name,
			       u->queues, MAX_UPLINK_QUEUES);
	/* How many queues the device has is known only when it runs. */
	err = check_queue_workers("uplink", u->name, u->queue_workers, MAX_NIC_QUEUES,
				  MAX_NIC_QUEUES, s->daemon.workers, e);
	return err != 0 ? err : check_device(s, "uplink", u->name, u->device, e);
}

static int
check_port_uplink(const struct settings *s, const struct port_settings *p, struct errmsg *e)
{
	char known[MAX_UPLINKS * (NAME_SIZE + 2)] = "";

	if (p->uplink[0] == '\0')
		return err_set(e, -EINVAL, "port %s: uplink: is missing; name of an uplink",
			       p->name);
	if (settings_find_uplink(s, p->uplink) != NULL)
		return 0;
	for (uint32_t i = 0; i < s->n_uplinks; i++) {
		strlcat(known, i > 0 ? ", " : "", sizeof(known));
		strlcat(known, s->uplinks[i].name, sizeof(known));
	}
	return err_set(e, -ENOENT, "port %s: uplink: there is no uplink '%s'; known: %s", p->name,
		       p->uplink, known[0] != '\0' ? known : "none");
}

/* What the port says of itself. */
static int
check_port_alone(const struct port_settings *p, struct errmsg *e)
{
	char text[MAC_TEXT_SIZE];

	if (p->socket[0] == '\0' && p->device[0] == '\0')
		return err_set(e, -EINVAL,
			       "port %s: socket: is missing; a socket (absolute path), or a device "
			       "(vdev with its devargs) in its place",
			       p->name);
	if (p->socket[0] != '\0' && p->device[0] != '\0')
		return err_set(e, -EINVAL,
			       "port %s: device: '%.128s' is given beside socket '%s'; exactly one "
			       "of socket and device",
			       p->name, p->device, p->socket);
	if (mac_is_multicast(&p->mac))
		return err_set(e, -EINVAL, "port %s: mac: '%s' is a multicast address; unicast",
			       p->name, mac_format(&p->mac, text));
	if (p->queues < 1 || p->queues > MAX_QUEUE_PAIRS)
		return err_set(e, -EINVAL, "port %s: queues: '%u' is not accepted; 1 to %d",
			       p->name, p->queues, MAX_QUEUE_PAIRS);
	if (p->n_maddr > MAX_STATIC_ADDRESSES)
		return err_set(e, -EINVAL, "port %s: maddr: '%u' addresses; up to %d", p->name,
			       p->n_maddr, MAX_STATIC_ADDRESSES);
	if (p->nopromisc && p->mode != MODE_PASSTHRU)
		return err_set(e, -EINVAL,
			       "port %s: nopromisc: 'on' is only accepted with mode passthru, not "
			       "%s",
			       p->name, mode_name(p->mode));
	if (p->qmp[0] != '\0' && p->qmp_device[0] == '\0')
		return err_set(e, -EINVAL,
			       "port %s: qmp_device: is missing; qmp needs qmp_device, the -device "
			       "id in QEMU",
			       p->name);
	return 0;
}

/* The i-th unicast address that the port has by its settings, *key naming where; NULL: no more. */
static const struct mac_addr *
port_unicast(const struct port_settings *p, uint32_t *i, const char **key)
{
	for (; *i <= p->n_maddr; (*i)++) {
		const struct mac_addr *mac = *i == 0 ? &p->mac : &p->maddr[*i - 1];

		*key = *i == 0 ? "mac" : "maddr";
		if (!mac_is_zero(mac) && !mac_is_multicast(mac)) {
			(*i)++;
			return mac;
		}
	}
	return NULL;
}

/* An address has one owner on an uplink, or its frames would have two. */
static int
check_macs(const struct port_settings *p, const struct port_settings *q, struct errmsg *e)
{
	const struct mac_addr *mine, *theirs;
	const char *my_key, *their_key;
	char text[MAC_TEXT_SIZE];

	for (uint32_t i = 0; (mine = port_unicast(p, &i, &my_key)) != NULL;)
		for (uint32_t j = 0; (theirs = port_unicast(q, &j, &their_key)) != NULL;)
			if (memcmp(mine, theirs, sizeof(*mine)) == 0)
				return err_set(e, -EEXIST,
					       "port %s: %s: '%s' is port %s's already (its %s, on "
					       "the same uplink %s)",
					       p->name, my_key, mac_format(mine, text), q->name,
					       their_key, q->uplink);
	return 0;
}

/* Port p against the other port q. */
static int
check_pair(const struct port_settings *p, const struct port_settings *q, struct errmsg *e)
{
	if (p->socket[0] != '\0' && strcmp(p->socket, q->socket) == 0)
		return err_set(e, -EEXIST, "port %s: socket: '%s' is port %s's already", p->name,
			       p->socket, q->name);
	if (strcmp(p->uplink, q->uplink) != 0)
		return 0;
	if (p->mode == MODE_PASSTHRU)
		return err_set(e, -EINVAL,
			       "port %s: mode: 'passthru' needs the uplink %s for itself, but port "
			       "%s is on it",
			       p->name, p->uplink, q->name);
	if (q->mode == MODE_PASSTHRU)
		return err_set(e, -EINVAL,
			       "port %s: uplink: '%s' has the passthru port %s, which needs it for "
			       "itself",
			       p->name, p->uplink, q->name);
	return check_macs(p, q, e);
}

int
port_settings_check(const struct settings *s, const struct port_settings *p, struct errmsg *e)
{
	int err = name_check("port", p->name, e);

	if (err == 0)
		err = check_port_uplink(s, p, e);
	if (err == 0)
		err = check_port_alone(p, e);
	if (err == 0)
		err = check_queue_workers("port", p->name, p->queue_workers, MAX_QUEUE_PAIRS,
					  p->queues, s->daemon.workers, e);
	if (err == 0 && p->device[0] != '\0')
		err = check_device(s, "port", p->name, p->device, e);
	if (err == 0 && p->socket[0] != '\0' && strcmp(p->socket, s->daemon.control) == 0)
		err = err_set(e, -EEXIST, "port %s: socket: '%s' is the daemon's control socket",
			      p->name, p->socket);
	for (uint32_t i = 0; err == 0 && i < s->n_ports; i++)
		if (strcmp(s->ports[i].name, p->name) != 0)
			err = check_pair(p, &s->ports[i], e);
	return err;
}

static int
check_daemon(const struct daemon_settings *d, struct errmsg *e)
{
	uint32_t cpus[MAX_WORKERS];
	int n;

	if (d->control[0] != '/')
		return err_set(e, -EINVAL, "daemon: control: '%s' is not accepted; %s", d->control,
			       key_find(SECTION_DAEMON, "control")->values);
	if (d->workers < 1 || d->workers > MAX_WORKERS)
		return err_set(e, -EINVAL, "daemon: workers: '%u' is not accepted; 1 to %d",
			       d->workers, MAX_WORKERS);
	if (d->worker_cpus[0] == '\0')
		return 0;
	n = cpu_list_parse(d->worker_cpus, cpus, MAX_WORKERS);
	if (n < 0)
		return err_set(e, -EINVAL, "daemon: worker_cpus: '%.128s' is not accepted; %s",
			       d->worker_cpus, key_find(SECTION_DAEMON, "worker_cpus")->values);
	if (d->workers != (uint32_t)n)
		return err_set(e, -EINVAL,
			       "daemon: workers: '%u' differs from the %d CPUs of worker_cpus "
			       "'%.128s'; one of the two is enough (worker_cpus auto: the daemon "
			       "chooses)",
			       d->workers, n, d->worker_cpus);
	return 0;
}

/* Each object is held against those before it, so that the later one of a pair is the culprit. */
int
settings_check(const struct settings *s, struct errmsg *e)
{
	struct settings before = *s;
	int err = check_daemon(&s->daemon, e);

	before.n_ports = 0;
	for (uint32_t i = 0; err == 0 && i < s->n_uplinks; i++) {
		before.n_uplinks = i;
		if (settings_find_uplink(&before, s->uplinks[i].name) != NULL)
			return err_set(e, -EEXIST, "uplink %s: the name is taken",
				       s->uplinks[i].name);
		err = uplink_settings_check(&before, &s->uplinks[i], e);
	}
	before.n_uplinks = s->n_uplinks;
	for (uint32_t i = 0; err == 0 && i < s->n_ports; i++) {
		before.n_ports = i;
		if (settings_find_port(&before, s->ports[i].name) != NULL)
			return err_set(e, -EEXIST, "port %s: the name is taken", s->ports[i].name);
		err = port_settings_check(&before, &s->ports[i], e);
	}
	return err;
}
