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
taken(const struct daemon *d, const struct uplink *u, const struct mac_addr *mac)
{
	if (memcmp(&u->nic.mac, mac, sizeof(*mac)) == 0)
		return true;
	for (uint32_t i = 0; i < MAX_PORTS; i++) {
		const struct port *p = d->ports[i];

		if (p == NULL || p->uplink != u)
			continue;
		if (memcmp(&p->settings.mac, mac, sizeof(*mac)) == 0)
			return true;
		for (uint32_t m = 0; m < p->settings.n_maddr; m++)
			if (memcmp(&p->settings.maddr[m], mac, sizeof(*mac)) == 0)
				return true;
	}
	return false;
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
		if (!taken(d, u, &s->mac))
			return;
	}
}

int
port_mac_check(const struct uplink *u, const struct port_settings *s, struct errmsg *e)
{
	bool may_have_it = s->mode == MODE_PASSTHRU || s->device[0] != '\0';
	char text[MAC_TEXT_SIZE];
	const char *key = NULL;

	if (memcmp(&s->mac, &u->nic.mac, sizeof(s->mac)) == 0)
		key = "mac";
	for (uint32_t i = 0; i < s->n_maddr; i++)
		if (memcmp(&s->maddr[i], &u->nic.mac, sizeof(s->mac)) == 0)
			key = "maddr";
	if (key == NULL || may_have_it)
		return 0;
	return err_set(e, -EADDRINUSE,
		       "port %s: %s: %s is uplink %s's own address; only a passthru port or the "
		       "host's own port (device) may have it",
		       s->name, key, mac_format(&u->nic.mac, text), u->settings.name);
}
