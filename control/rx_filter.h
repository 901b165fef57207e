/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "config/settings.h"
#include "control/guest_filter.h"

/*
 * What a port accepts now: the union of its static entries (`mac`, `maddr`, `promisc`,
 * `allmulticast`) and of what its guest asked for and may have. Views, the NIC's filter and `show`
 * are made of this and of nothing else. Plain data; control thread.
 */
enum filter_source { FILTER_CONFIG, FILTER_GUEST };

struct filter_entry {
	struct mac_addr mac;
	enum filter_source source;
};

#define RX_FILTER_MAX (MAX_STATIC_ADDRESSES + 2 * GUEST_FILTER_ADDRESSES + 1)

struct rx_filter {
	bool promisc;
	bool allmulticast;
	uint32_t n_unicast; /* at least one: the first is the port's MAC */
	uint32_t n_multicast;
	struct filter_entry unicast[RX_FILTER_MAX];
	struct filter_entry multicast[RX_FILTER_MAX];
};

/* Static entries alone. */
void rx_filter_from_settings(struct rx_filter *f, const struct port_settings *s);

/* Adds an entry unless it is there; false: it is there (its source stays). */
bool rx_filter_add(struct rx_filter *f, const struct mac_addr *mac, enum filter_source source);

bool rx_filter_has(const struct rx_filter *f, const struct mac_addr *mac);

/* true: same addresses, sources and flags, in the same order. */
bool rx_filter_equal(const struct rx_filter *a, const struct rx_filter *b);
