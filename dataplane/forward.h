/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <rte_ether.h>

#include "dataplane/reasons.h"
#include "dataplane/view.h"

/*
 * The forwarding rules: pure functions of a view, where the frame came from, and its Ethernet
 * header. The workers, `macvctl trace` and the tests all call these. The rules are the ones of the
 * kernel's macvlan (macvlan_queue_xmit, macvlan_handle_frame, macvlan_multicast_rx in
 * drivers/net/macvlan.c) with the differences that docs/forwarding.md lists.
 */
enum forward_action {
	FORWARD_DROP,  /* .reason says why */
	FORWARD_PORT,  /* to .port alone */
	FORWARD_WIRE,  /* to the wire alone */
	FORWARD_FLOOD, /* to every port of *receivers, and if .to_wire to the wire too */
};

struct verdict {
	uint8_t action; /* enum forward_action */
	uint8_t reason; /* enum drop_reason, where action is FORWARD_DROP */
	uint8_t rule;   /* enum forward_rule: which rule decided */
	bool to_wire;
	uint16_t port;
};

/*
 * What happens to a frame that port (up) sent. hdr: at least the 14 bytes of an Ethernet header.
 * *receivers is written only for FORWARD_FLOOD.
 */
struct verdict forward_from_guest(const struct view *v, uint16_t port,
				  const struct rte_ether_hdr *hdr, struct portset *receivers);

/*
 * What happens to a frame on port's own NIC queue, where the NIC's rule is exact on the
 * destination: the same as forward_from_wire says, without a lookup where the view allows that
 * (short_cut).
 */
struct verdict forward_from_own_queue(const struct view *v, uint16_t port,
				      const struct rte_ether_hdr *hdr, struct portset *receivers);

/* What happens to a frame that came in through uplink. */
struct verdict forward_from_wire(const struct view *v, uint16_t uplink,
				 const struct rte_ether_hdr *hdr, struct portset *receivers);
