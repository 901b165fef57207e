/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "control/nic_steer.h"

/*
 * Which frames the uplink's hardware passes: the union of what the running ports want, by the
 * mildest means that the device has. Unicast by a flow rule into the port's own queue, else by the
 * address table, else promiscuous; multicast by the list, else allmulticast, else promiscuous.
 * Control thread only.
 *
 * A change never passes through a state that loses an address that stays: what opens comes first,
 * what closes comes last.
 */
enum filter_tier {
	TIER_OWN,
	TIER_FLOW_QUEUE,
	TIER_MAC_FILTER,
	TIER_ALLMULTICAST,
	TIER_PROMISCUOUS
};

struct filter_address {
	uint64_t mac;
	uint16_t port; /* who wants it; multicast: the first of those */
	enum filter_tier tier;
	const char *why;     /* constant text */
	const char *no_rule; /* why no flow rule steers it; NULL: one does, or none was tried */
};

/* What ports want; arrays without duplicates, grown by nic_filter_want. */
struct filter_want {
	struct filter_address *addresses;
	uint32_t n;
	uint32_t room;
	bool promiscuous;
	bool allmulticast;
	enum demux demux;          /* the best tier that unicast may have */
	bool may_steer[MAX_PORTS]; /* whose addresses may get rules */
};

struct nic_filter {
	struct nic_steer *steer;  /* NULL: the device has no usable rte_flow */
	steer_traffic_fn traffic; /* for the rules' judgement */
	void *traffic_ctx;
	struct filter_want now; /* as wanted last, with the tiers that came of it */
	uint64_t *programmed;   /* unicast addresses in the device's table */
	uint32_t n_programmed;
	bool list_in_force;    /* the device has taken the multicast list of now */
	uint32_t longest_list; /* that it has ever taken */
	bool promiscuous;      /* what we asked of the device */
	bool allmulticast;
	const char *promiscuous_why; /* NULL: it is not */
	const char *allmulticast_why;
};

/* Adds an address unless it is there. 0 or -ENOMEM. */
int nic_filter_want(struct filter_want *want, uint64_t mac, uint16_t port);

/*
 * Brings the device from what it has to *want, whose addresses are taken over (want is emptied).
 * Always ends in a state in which every wanted address passes, if the device can do that at all;
 * what it cannot is a note of the nic.
 */
void nic_filter_apply(struct nic_filter *f, struct nic *nic, struct filter_want *want);

/* The device was reset and has none of it any more: all is programmed anew by the next apply. */
void nic_filter_forget(struct nic_filter *f);

void nic_filter_free(struct nic_filter *f);
const char *filter_tier_name(enum filter_tier tier);
