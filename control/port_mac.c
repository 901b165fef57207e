/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * MAC addresses of ports: making one up, and what may not be taken. Called by port.c on the control
 * thread. Conflicts among ports are config/check.c's matter; here are those that need the NIC.
 */
#include "control/port_mac.h"

#include <errno.h>
#include <rte_jhash.h>
#include <stdio.h>
#include <string.h>

#include "config/keys.h"

#define MACHINE_ID_FILE "/etc/machine-id"

static bool
has_from_guest(const struct rx_filter *f, const struct mac_addr *mac)
{
	for (uint32_t i = 0; i < f->n_unicast; i++)
		if (f->unicast[i].source == FILTER_GUEST &&
		    memcmp(&f->unicast[i].mac, mac, sizeof(*mac)) == 0)
			return true;
	return false;
}

/* The port of the uplink, other than name, that has the address; NULL: none. */
static const struct port *
find_owner(const struct daemon *d, const struct uplink *u, const char *name,
	   const struct mac_addr *mac)
{
	for (uint32_t i = 0; i < MAX_PORTS; i++) {
		const struct port *p = d->ports[i];

		if (p == NULL || p->uplink != u || strcmp(p->settings.name, name) == 0)
			continue;
		/* Its own MAC stays its own while its guest has chosen another. */
		if (memcmp(&p->settings.mac, mac, sizeof(*mac)) == 0 ||
		    rx_filter_has(&p->filter, mac))
			return p;
	}
	return NULL;
}

const char *
port_mac_owner(const struct daemon *d, const struct port *p, const struct mac_addr *mac)
{
	const struct port *owner;

	if (memcmp(&p->uplink->nic.mac, mac, sizeof(*mac)) == 0 &&
	    p->settings.mode != MODE_PASSTHRU)
		return "the uplink";
	owner = find_owner(d, p->uplink, p->settings.name, mac);
	return owner != NULL ? owner->settings.name : NULL;
}

/* The machine's identity, so that two hosts on one wire do not choose alike. */
static void
machine_id(char *buf, size_t size)
{
	FILE *f = fopen(MACHINE_ID_FILE, "re");

	buf[0] = '\0';
	if (f == NULL)
		return;
	if (fgets(buf, (int)size, f) == NULL)
		buf[0] = '\0';
	fclose(f);
}

void
port_mac_choose(const struct daemon *d, const struct uplink *u, struct port_settings *s)
{
	char id[64], text[sizeof(id) + 2 * NAME_SIZE + 32];

	if (!mac_is_zero(&s->mac))
		return;
	if (s->mode == MODE_PASSTHRU) {
		s->mac = u->nic.mac;
		return;
	}
	machine_id(id, sizeof(id));
	for (uint32_t attempt = 0;; attempt++) {
		uint32_t high, low;

		snprintf(text, sizeof(text), "%s|%s|%s|%u", id, u->settings.name, s->name, attempt);
		high = rte_jhash(text, (uint32_t)strlen(text), 0x6d616376);
		low = rte_jhash(text, (uint32_t)strlen(text), high);
		s->mac = (struct mac_addr){.b = {(uint8_t)(high >> 8), (uint8_t)high,
						 (uint8_t)(low >> 24), (uint8_t)(low >> 16),
						 (uint8_t)(low >> 8), (uint8_t)low}};
		s->mac.b[0] = (uint8_t)((s->mac.b[0] & 0xfc) | 0x02); /* local, not a group */
		if (memcmp(&u->nic.mac, &s->mac, sizeof(s->mac)) != 0 &&
		    find_owner(d, u, s->name, &s->mac) == NULL)
			return;
	}
}

/* Another port of the uplink whose guest took the address. */
static const struct port *
find_guest_owner(const struct daemon *d, const struct uplink *u, const char *name,
		 const struct mac_addr *mac)
{
	for (uint32_t i = 0; i < MAX_PORTS; i++) {
		const struct port *p = d->ports[i];

		if (p != NULL && p->uplink == u && strcmp(p->settings.name, name) != 0 &&
		    has_from_guest(&p->filter, mac))
			return p;
	}
	return NULL;
}

static int
check_address(const struct daemon *d, const struct uplink *u, const struct port_settings *s,
	      const char *key, const struct mac_addr *mac, struct errmsg *e)
{
	bool may_have_uplinks = s->mode == MODE_PASSTHRU || s->device[0] != '\0';
	const struct port *owner;
	char text[MAC_TEXT_SIZE];

	if (mac_is_multicast(mac))
		return 0;
	if (memcmp(mac, &u->nic.mac, sizeof(*mac)) == 0 && !may_have_uplinks)
		return err_set(e, -EADDRINUSE,
			       "port %s: %s: %s is uplink %s's own address; only a passthru port "
			       "or the host's own port (device) may have it",
			       s->name, key, mac_format(mac, text), u->settings.name);
	owner = find_guest_owner(d, u, s->name, mac);
	if (owner != NULL)
		return err_set(e, -EADDRINUSE, "port %s: %s: port %s's guest has %s", s->name, key,
			       owner->settings.name, mac_format(mac, text));
	return 0;
}

int
port_mac_check(const struct daemon *d, const struct uplink *u, const struct port_settings *s,
	       struct errmsg *e)
{
	int err = check_address(d, u, s, "mac", &s->mac, e);

	for (uint32_t i = 0; i < s->n_maddr && err == 0; i++)
		err = check_address(d, u, s, "maddr", &s->maddr[i], e);
	return err;
}
