/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <errno.h>
#include <rte_version.h>
#include <rte_vhost.h>
#ifdef MACV_HAVE_BOND
#include <rte_eth_bond.h>
#endif

/* What differs between the DPDK releases that we build on (22.11 to 26.x), and nothing else. */

/* How many queue pairs a guest may ask for. Before 23.07 the library offers its own maximum. */
static inline int
compat_vhost_set_max_queues(const char *path, uint32_t pairs)
{
#if RTE_VERSION >= RTE_VERSION_NUM(23, 7, 0, 0)
	return rte_vhost_driver_set_max_queue_num(path, pairs);
#else
	(void)path;
	(void)pairs;
	return 0;
#endif
}

/* Set in the device flags of a bond's members; renamed in 23.11. */
#ifdef RTE_ETH_DEV_BONDING_MEMBER
#define COMPAT_BOND_MEMBER_FLAG RTE_ETH_DEV_BONDING_MEMBER
#else
#define COMPAT_BOND_MEMBER_FLAG RTE_ETH_DEV_BONDED_SLAVE
#endif

/*
 * Bonds. The library may be missing; 23.11 renamed slaves to members. Of a bond: its members' and
 * its active members' ethdevs into ids (their number, or negative), its mode, its active member.
 */
#ifdef MACV_HAVE_BOND
#define COMPAT_HAS_BOND 1
#define COMPAT_BOND_ACTIVE_BACKUP BONDING_MODE_ACTIVE_BACKUP
#define COMPAT_BOND_8023AD BONDING_MODE_8023AD
#define COMPAT_BOND_TLB BONDING_MODE_TLB
#define COMPAT_BOND_ALB BONDING_MODE_ALB
#if RTE_VERSION < RTE_VERSION_NUM(23, 11, 0, 0)
#define rte_eth_bond_members_get rte_eth_bond_slaves_get
#define rte_eth_bond_active_members_get rte_eth_bond_active_slaves_get
#endif

static inline int
compat_bond_members(uint16_t ethdev, uint16_t ids[], uint16_t room)
{
	return rte_eth_bond_members_get(ethdev, ids, room);
}

static inline int
compat_bond_active_members(uint16_t ethdev, uint16_t ids[], uint16_t room)
{
	return rte_eth_bond_active_members_get(ethdev, ids, room);
}

static inline int
compat_bond_mode(uint16_t ethdev)
{
	return rte_eth_bond_mode_get(ethdev);
}

static inline int
compat_bond_primary(uint16_t ethdev)
{
	return rte_eth_bond_primary_get(ethdev);
}
#else
#define COMPAT_HAS_BOND 0
#define COMPAT_BOND_ACTIVE_BACKUP 1
#define COMPAT_BOND_8023AD 4
#define COMPAT_BOND_TLB 5
#define COMPAT_BOND_ALB 6

static inline int
compat_bond_members(uint16_t ethdev, uint16_t ids[], uint16_t room)
{
	(void)ethdev, (void)ids, (void)room;
	return -ENOTSUP;
}

static inline int
compat_bond_active_members(uint16_t ethdev, uint16_t ids[], uint16_t room)
{
	return compat_bond_members(ethdev, ids, room);
}

static inline int
compat_bond_mode(uint16_t ethdev)
{
	(void)ethdev;
	return -ENOTSUP;
}

static inline int
compat_bond_primary(uint16_t ethdev)
{
	return compat_bond_mode(ethdev);
}
#endif
