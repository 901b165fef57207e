/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * A port's receive filter as a set of addresses with their sources. Called by port.c and
 * guest_sync.c on the control thread.
 */
#include "control/rx_filter.h"

#include <string.h>

static bool
has(const struct filter_entry *entries, uint32_t n, const struct mac_addr *mac)
{
	for (uint32_t i = 0; i < n; i++)
		if (memcmp(&entries[i].mac, mac, sizeof(*mac)) == 0)
			return true;
	return false;
}

bool
rx_filter_has(const struct rx_filter *f, const struct mac_addr *mac)
{
	return mac_is_multicast(mac) ? has(f->multicast, f->n_multicast, mac)
				     : has(f->unicast, f->n_unicast, mac);
}

bool
rx_filter_add(struct rx_filter *f, const struct mac_addr *mac, enum filter_source source)
{
	struct filter_entry *entries = mac_is_multicast(mac) ? f->multicast : f->unicast;
	uint32_t *n = mac_is_multicast(mac) ? &f->n_multicast : &f->n_unicast;

	if (*n == RX_FILTER_MAX || has(entries, *n, mac))
		return false;
	entries[(*n)++] = (struct filter_entry){.mac = *mac, .source = source};
	return true;
}

void
rx_filter_from_settings(struct rx_filter *f, const struct port_settings *s)
{
	memset(f, 0, sizeof(*f));
	f->promisc = s->promisc;
	f->allmulticast = s->allmulticast;
	rx_filter_add(f, &s->mac, FILTER_CONFIG);
	for (uint32_t i = 0; i < s->n_maddr; i++)
		rx_filter_add(f, &s->maddr[i], FILTER_CONFIG);
}

static bool
same_entries(const struct filter_entry *a, const struct filter_entry *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (memcmp(&a[i].mac, &b[i].mac, sizeof(a[i].mac)) != 0 ||
		    a[i].source != b[i].source)
			return false;
	return true;
}

bool
rx_filter_equal(const struct rx_filter *a, const struct rx_filter *b)
{
	return a->promisc == b->promisc && a->allmulticast == b->allmulticast &&
	       a->n_unicast == b->n_unicast && a->n_multicast == b->n_multicast &&
	       same_entries(a->unicast, b->unicast, a->n_unicast) &&
	       same_entries(a->multicast, b->multicast, a->n_multicast);
}
