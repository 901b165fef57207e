/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * What DPDK's bonding driver leaves undone, so that a member's failure loses no address: modes on
 * every member, limits, resets and links of members. Called by nic.c, nic_filter.c and the follow
 * timer on the control thread.
 */
#include "control/nic_bond.h"

#include <errno.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "control/compat.h"
#include "control/log.h"

static bool
is_bond(const char *driver)
{
	return strcmp(driver, "net_bonding") == 0;
}

static uint32_t
members_in(const char *devargs)
{
	uint32_t n = 0;

	for (const char *p = strchr(devargs, ','); p != NULL; p = strchr(p + 1, ','))
		n += strncmp(p, ",slave=", 7) == 0 || strncmp(p, ",member=", 8) == 0;
	return n;
}

/* On DPDK's interrupt thread: only notes what the follow timer will deal with. */
static int
on_member_reset(uint16_t ethdev, enum rte_eth_event_type event, void *arg, void *result)
{
	struct nic *nic = arg;

	(void)event;
	(void)result;
	for (uint32_t i = 0; i < nic->bond->n; i++)
		if (nic->bond->members[i].ethdev == ethdev)
			atomic_store(&nic->bond->members[i].reset_pending, true);
	atomic_store(&nic->reset_pending, true);
	return 0;
}

/* The driver looks for its members when it is configured, and says of a missing one only in its
 * log. */
static int
resolve(struct nic *nic, const struct nic_wants *wants, struct errmsg *e)
{
	const struct rte_eth_conf conf = {0};
	uint16_t ids[RTE_MAX_ETHPORTS];
	int err = rte_eth_dev_configure(nic->ethdev, 1, 1, &conf);
	int n = err == 0 ? compat_bond_members(nic->ethdev, ids, RTE_DIM(ids)) : 0;

	if (n < (int)members_in(wants->device) || n == 0)
		return err_set(e, -ENODEV,
			       "%s: device '%s': a member is missing, in use, or refused (see the "
			       "daemon's log); members are named by slave= and must be there "
			       "before: by --vdev or -a in `eal`",
			       wants->name, wants->device);
	if (n > BOND_MEMBERS)
		return err_set(e, -E2BIG, "%s: device '%s': up to %u members", wants->name,
			       wants->device, BOND_MEMBERS);
	nic->bond = calloc(1, sizeof(*nic->bond));
	if (nic->bond == NULL)
		return err_set(e, -ENOMEM, "%s: out of memory", wants->name);
	for (int i = 0; i < n; i++)
		nic->bond->members[i].ethdev = ids[i];
	nic->bond->n = (uint32_t)n;
	for (int i = 0; i < n; i++)
		rte_eth_dev_callback_register(ids[i], RTE_ETH_EVENT_INTR_RESET, on_member_reset,
					      nic);
	return 0;
}

int
nic_bond_open(struct nic *nic, const struct nic_wants *wants, struct errmsg *e)
{
	struct rte_eth_dev_info info;
	int err = rte_eth_dev_info_get(nic->ethdev, &info);

	if (err != 0)
		return err_set(e, err, "%s: %s", wants->name, rte_strerror(-err));
	if (!is_bond(info.driver_name))
		return 0;
	if (!COMPAT_HAS_BOND)
		return err_set(e, -ENOTSUP,
			       "%s: device '%s': macvswitchd was built without DPDK's bonding "
			       "library (librte_net_bond)",
			       wants->name, wants->device);
	return resolve(nic, wants, e);
}

void
nic_bond_close(struct nic *nic)
{
	if (nic->bond == NULL)
		return;
	for (uint32_t i = 0; i < nic->bond->n; i++) {
		uint16_t id = nic->bond->members[i].ethdev;

		rte_eth_dev_callback_unregister(id, RTE_ETH_EVENT_INTR_RESET, on_member_reset, nic);
		rte_eth_promiscuous_disable(id);
		rte_eth_allmulticast_disable(id);
	}
	free(nic->bond);
	nic->bond = NULL;
}

void
nic_bond_limits(const struct nic *nic, struct rte_eth_dev_info *info)
{
	struct rte_eth_dev_info member;

	for (uint32_t i = 0; nic->bond != NULL && i < nic->bond->n; i++) {
		if (rte_eth_dev_info_get(nic->bond->members[i].ethdev, &member) != 0)
			continue;
		info->max_mac_addrs = RTE_MIN(info->max_mac_addrs, member.max_mac_addrs);
		info->min_mtu = RTE_MAX(info->min_mtu, member.min_mtu);
		info->max_mtu = RTE_MIN(info->max_mtu, member.max_mtu);
	}
}

/* Does the driver itself give modes to one member alone? */
static bool
has_one_active(const struct nic *nic)
{
	int mode = compat_bond_mode(nic->ethdev);

	return mode == COMPAT_BOND_ACTIVE_BACKUP || mode == COMPAT_BOND_TLB ||
	       mode == COMPAT_BOND_ALB;
}

struct mode {
	const char *name;
	int (*get)(uint16_t ethdev);
	int (*enable)(uint16_t ethdev);
	int (*disable)(uint16_t ethdev);
};

static const struct mode promiscuous = {"promiscuous", rte_eth_promiscuous_get,
					rte_eth_promiscuous_enable, rte_eth_promiscuous_disable};
static const struct mode allmulticast = {"allmulticast", rte_eth_allmulticast_get,
					 rte_eth_allmulticast_enable, rte_eth_allmulticast_disable};

static void
set_off(const struct nic *nic, const struct mode *mode)
{
	/* In the other modes the driver has done so, and knows whose it keeps on for LACP. */
	if (!has_one_active(nic))
		return;
	for (uint32_t i = 0; i < nic->bond->n; i++)
		if (mode->disable(nic->bond->members[i].ethdev) != 0)
			log_warning("ethdev %u: bond member %s stays %s", nic->ethdev,
				    nic_bond_member_name(&nic->bond->members[i]), mode->name);
}

static int
set(const struct nic *nic, const struct mode *mode, bool on)
{
	int err = 0;

	for (uint32_t i = 0; on && nic->bond != NULL && i < nic->bond->n && err == 0; i++)
		err = mode->enable(nic->bond->members[i].ethdev);
	if (err != 0)
		mode->disable(nic->ethdev);
	if (nic->bond != NULL && (!on || err != 0))
		set_off(nic, mode);
	return err;
}

int
nic_bond_promiscuous(const struct nic *nic, bool on)
{
	return set(nic, &promiscuous, on);
}

int
nic_bond_allmulticast(const struct nic *nic, bool on)
{
	return set(nic, &allmulticast, on);
}

bool
nic_bond_owns(const struct nic *nic, const struct rte_ether_addr *addr)
{
	struct rte_ether_addr own;

	for (uint32_t i = 0; nic->bond != NULL && i < nic->bond->n; i++)
		if (rte_eth_macaddr_get(nic->bond->members[i].ethdev, &own) == 0 &&
		    rte_is_same_ether_addr(&own, addr))
			return true;
	return false;
}

int
nic_bond_reset(const struct nic *nic)
{
	struct rte_flow_error error;
	int err, first = 0;

	if (nic->bond == NULL)
		return 0;
	/* While the members' drivers still know the rules. */
	rte_flow_flush(nic->ethdev, &error);
	for (uint32_t i = 0; i < nic->bond->n; i++) {
		struct bond_member *m = &nic->bond->members[i];

		if (!atomic_exchange(&m->reset_pending, false))
			continue;
		err = rte_eth_dev_reset(m->ethdev);
		if (err == 0)
			continue;
		atomic_store(&m->reset_pending, true);
		if (first == 0)
			first = err;
	}
	return first;
}

/* Gives a member the mode that the bond has, if it came without. */
static void
repair(const struct nic *nic, const struct bond_member *m, const struct mode *mode)
{
	if (mode->get(nic->ethdev) == 1 && mode->get(m->ethdev) == 0 && mode->enable(m->ethdev))
		log_warning("ethdev %u: bond member %s refuses to be %s", nic->ethdev,
			    nic_bond_member_name(m), mode->name);
}

static bool
is_active(const struct nic *nic, uint16_t ethdev)
{
	uint16_t ids[RTE_MAX_ETHPORTS];
	int n = compat_bond_active_members(nic->ethdev, ids, RTE_DIM(ids));
	bool active = false;

	for (int i = 0; i < n; i++)
		active |= ids[i] == ethdev;
	if (compat_bond_mode(nic->ethdev) == COMPAT_BOND_ACTIVE_BACKUP)
		active &= compat_bond_primary(nic->ethdev) == ethdev;
	return active;
}

bool
nic_bond_wants_queue(const struct nic *nic)
{
	return nic->bond != NULL && compat_bond_mode(nic->ethdev) == COMPAT_BOND_8023AD;
}

bool
nic_bond_follow(struct nic *nic, const char *name)
{
	bool changed = false;

	if (nic->bond_tx_queue)
		rte_eth_tx_burst(nic->ethdev, nic->tx_queues, NULL, 0);
	for (uint32_t i = 0; nic->bond != NULL && i < nic->bond->n; i++) {
		struct bond_member *m = &nic->bond->members[i];
		struct rte_eth_link link = {0};
		bool active = is_active(nic, m->ethdev);
		bool up = rte_eth_link_get_nowait(m->ethdev, &link) == 0 &&
			  link.link_status == RTE_ETH_LINK_UP;

		repair(nic, m, &promiscuous);
		repair(nic, m, &allmulticast);
		if (up == m->up && active == m->active)
			continue;
		log_notice("uplink %s: member %s: link %s%s", name, nic_bond_member_name(m),
			   up ? "up" : "down", active ? ", active" : "");
		m->up = up;
		m->active = active;
		changed = true;
	}
	return changed;
}

const char *
nic_bond_member_name(const struct bond_member *member)
{
	static char name[RTE_ETH_NAME_MAX_LEN];

	if (rte_eth_dev_get_name_by_port(member->ethdev, name) != 0)
		return "?";
	return name;
}
