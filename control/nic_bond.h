/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "control/nic.h"

/*
 * A NIC that is a bond of others (DPDK's net_bonding). The bonding driver hands addresses and flow
 * rules to every member, but in the modes with one active member it makes only that one promiscuous
 * or allmulticast, and the next one only some time after it took over; it finds its members not
 * before it is configured; it reports limits that its members do not have; it does not know of
 * their resets; and its LACP falls silent when nothing is sent. All of this is made good here.
 * Control thread only; nothing of it is needed, and every function but nic_bond_open does nothing,
 * with a NIC that is no bond.
 */
#define BOND_MEMBERS 8

/* One member; owned by the bond's nic, valid until nic_bond_close. */
struct bond_member {
	uint16_t ethdev;
	bool up;                    /* its link, when last looked at */
	bool active;                /* frames come and go by it */
	_Atomic bool reset_pending; /* the interrupt thread writes: it wants a reset */
};

struct nic_bond {
	uint32_t n;
	struct bond_member members[BOND_MEMBERS];
};

/*
 * After the probe, before anything is asked of the device: is it a bond? Then its members are
 * resolved. 0, also for what is no bond; -ENODEV: a member is missing or in use; -E2BIG: more than
 * BOND_MEMBERS; -ENOTSUP: built without DPDK's bonding library; -ENOMEM.
 */
int nic_bond_open(struct nic *nic, const struct nic_wants *wants, struct errmsg *e);

/* Takes both modes from the members and forgets them. Before the device is closed. */
void nic_bond_close(struct nic *nic);

/* Narrows the sizes that the driver reports to what every member has. */
void nic_bond_limits(const struct nic *nic, struct rte_eth_dev_info *info);

/*
 * After the same was asked of the bond: of every member. 0, or the errno (negative) of the first
 * member that refused to switch it on; then no member has it on.
 */
int nic_bond_promiscuous(const struct nic *nic, bool on);
int nic_bond_allmulticast(const struct nic *nic, bool on);

/* Is it the address of a member, which the driver changes when another member takes over? */
bool nic_bond_owns(const struct nic *nic, const struct rte_ether_addr *addr);

/* Resets the members that asked for it. The bond is stopped. 0 or the first driver's errno. */
int nic_bond_reset(const struct nic *nic);

/* Does the bond speak LACP? The driver sends LACP's frames only when something is sent: then
 * nic_bond_follow sends nothing, by a transmit queue of its own, on behalf of idle workers. */
bool nic_bond_wants_queue(const struct nic *nic);

/* Looks at the members' links and modes, and logs what changed; at least every 100 ms with LACP.
 * The bond is started. name: the uplink's. */
bool nic_bond_follow(struct nic *nic, const char *name);

/* The device name of a member; constant while the bond is open. */
const char *nic_bond_member_name(const struct bond_member *member);
