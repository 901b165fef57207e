/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * A port's receive filter: the static entries, and of the guest's wishes what trust, ownership and
 * limits allow. Called on the control thread by publish.c for all ports and by guest_sync.c for
 * one.
 */
#include "control/port_filter.h"

#include <stdio.h>
#include <string.h>

#include "config/keys.h"
#include "control/log.h"
#include "control/port_mac.h"

static void
refuse(struct port *p, const struct mac_addr *mac, const char *why, bool count)
{
	char text[MAC_TEXT_SIZE];

	if (!count)
		return;
	p->sync.refused++;
	snprintf(p->sync.refusal, sizeof(p->sync.refusal), "%s refused: %s", mac_format(mac, text),
		 why);
	log_warning("port %s: the guest's address %s", p->settings.name, p->sync.refusal);
}

/* May the guest have this unicast address? Else it is refused, once for each change that asks. */
static bool
may_have(struct port *p, const struct mac_addr *mac, bool count)
{
	const char *owner = port_mac_owner(p->daemon, p, mac);
	char why[NAME_SIZE + 32];

	if (owner == NULL)
		return true;
	snprintf(why, sizeof(why), "%s has it", owner);
	refuse(p, mac, why, count);
	return false;
}

/*
 * Adds the guest's table, up to what max_addresses leaves; *left is counted down. held: only what
 * the port has already, else only what it has not: beyond the limit it is the newcomers that go.
 */
static void
add_table(struct port *p, struct rx_filter *f, const struct mac_addr *table, uint32_t n, bool held,
	  uint32_t *left, bool count)
{
	for (uint32_t i = 0; i < n; i++) {
		if (rx_filter_has(&p->filter, &table[i]) != held || rx_filter_has(f, &table[i]))
			continue;
		if (*left == 0) {
			refuse(p, &table[i], "max_addresses is reached", count);
			continue;
		}
		if (!mac_is_multicast(&table[i]) && !may_have(p, &table[i], count))
			continue;
		rx_filter_add(f, &table[i], FILTER_GUEST);
		(*left)--;
	}
}

static void
add_tables(struct port *p, struct rx_filter *f, bool count)
{
	const struct guest_filter *g = &p->sync.wanted;
	bool unicast = p->settings.trust_guest_rx_filters == TRUST_ON && !g->no_unicast;
	uint32_t left = p->settings.max_addresses;

	for (int held = 1; held >= 0; held--) {
		if (unicast)
			add_table(p, f, g->unicast, g->n_unicast, held != 0, &left, count);
		if (!g->no_multicast)
			add_table(p, f, g->multicast, g->n_multicast, held != 0, &left, count);
	}
}

/*
 * The guest's part, as far as it is trusted. VLANs: a port takes every tag, so whatever table the
 * guest has, nothing needs to be opened for it. broadcast-allowed: always false in QEMU, says
 * nothing.
 */
static void
add_guest(struct port *p, struct rx_filter *f, bool count)
{
	const struct guest_filter *g = &p->sync.wanted;
	enum trust trust = p->settings.trust_guest_rx_filters;

	if (!p->sync.have || trust == TRUST_OFF)
		return;
	if (trust == TRUST_ON) {
		f->promisc |= g->promisc || g->all_unicast;
		if (memcmp(&g->main, &f->unicast[0].mac, sizeof(g->main)) != 0 &&
		    may_have(p, &g->main, count))
			f->unicast[0] = (struct filter_entry){g->main, FILTER_GUEST};
	}
	f->allmulticast |= g->all_multicast && !g->no_multicast;
	add_tables(p, f, count);
}

bool
port_filter_make(struct port *p, bool count)
{
	struct rx_filter f;

	rx_filter_from_settings(&f, &p->settings);
	add_guest(p, &f, count);
	if (rx_filter_equal(&f, &p->filter))
		return false;
	p->filter = f;
	return true;
}

void
port_filters_make(struct daemon *d)
{
	bool changed = true;

	/* What one gives up another may get: once more after a change, and that settles it, because
	 * nobody loses to somebody who asks. */
	for (int round = 0; changed && round < 2; round++) {
		changed = false;
		for (uint32_t i = 0; i < MAX_PORTS; i++)
			if (d->ports[i] != NULL)
				changed |= port_filter_make(d->ports[i], false);
	}
}
