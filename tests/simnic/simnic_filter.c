/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * What the simulated NIC passes: its own address, broadcast, and what it was told to pass. A device
 * that devargs made without a table or mode has no function for it, so that ethdev answers ENOTSUP
 * as it does with real drivers.
 */
#include <errno.h>
#include <string.h>

#include "tests/simnic/simnic.h"

static bool
in_list(const struct rte_ether_addr *list, uint32_t n, const struct rte_ether_addr *addr)
{
	for (uint32_t i = 0; i < n; i++)
		if (rte_is_same_ether_addr(&list[i], addr))
			return true;
	return false;
}

static bool
in_mac_table(const struct simnic *s, const struct rte_ether_addr *addr)
{
	for (uint32_t i = 0; i < s->args.macs; i++)
		if (s->mac_used[i] && rte_is_same_ether_addr(&s->macs[i], addr))
			return true;
	return false;
}

bool
simnic_passes(struct simnic *s, const struct rte_ether_addr *dst, struct rte_flow *flow)
{
	if (s->promisc || rte_is_broadcast_ether_addr(dst) || in_mac_table(s, dst))
		return true;
	if (flow != NULL && s->args.flow_bypass && !s->faults[FAULT_FLOW_IGNORED])
		return true;
	return rte_is_multicast_ether_addr(dst) && (s->allmulti || in_list(s->mcs, s->n_mcs, dst));
}

void
simnic_changed(struct simnic *s)
{
	for (uint32_t i = 0; i < s->n_watches; i++) {
		struct simnic_watch *w = &s->watches[i];

		w->passes = simnic_passes(s, &w->dst, simnic_flow_find(s, &w->dst));
		w->lost += !w->passes;
	}
}

int
simnic_watch(struct simnic *s, const struct rte_ether_addr *dst)
{
	struct simnic_watch *w = &s->watches[s->n_watches];

	if (s->n_watches == SIMNIC_WATCHES)
		return -ENOSPC;
	s->n_watches++;
	w->dst = *dst;
	w->passes = simnic_passes(s, dst, simnic_flow_find(s, dst));
	w->lost = 0;
	return 0;
}

void
simnic_forget(struct simnic *s)
{
	s->promisc = s->allmulti = false;
	memset(s->mac_used, 0, sizeof(s->mac_used));
	s->macs[0] = s->args.mac;
	s->mac_used[0] = true;
	s->n_mcs = 0;
	simnic_flow_kill(s);
	simnic_reta_default(s);
	simnic_changed(s);
}

static int
mac_addr_add(struct rte_eth_dev *dev, struct rte_ether_addr *addr, uint32_t index,
	     __rte_unused uint32_t pool)
{
	struct simnic *s = simnic_of(dev);
	int err = 0;

	pthread_mutex_lock(&s->lock);
	s->calls.mac_add++;
	if (s->faults[FAULT_MAC_ADD_ENOTSUP])
		err = -ENOTSUP;
	else if (index >= s->args.macs || s->faults[FAULT_MAC_ADD_ENOSPC])
		err = -ENOSPC;
	else if (rte_is_multicast_ether_addr(addr) && !s->args.mac_multicast)
		err = -EINVAL;
	if (err == 0 && !s->faults[FAULT_MAC_ADD_IGNORED]) {
		s->macs[index] = *addr;
		s->mac_used[index] = true;
	}
	simnic_changed(s);
	pthread_mutex_unlock(&s->lock);
	return err;
}

static void
mac_addr_remove(struct rte_eth_dev *dev, uint32_t index)
{
	struct simnic *s = simnic_of(dev);

	pthread_mutex_lock(&s->lock);
	s->calls.mac_remove++;
	if (index < s->args.macs)
		s->mac_used[index] = false;
	simnic_changed(s);
	pthread_mutex_unlock(&s->lock);
}

static int
mac_addr_set(struct rte_eth_dev *dev, struct rte_ether_addr *addr)
{
	struct simnic *s = simnic_of(dev);

	pthread_mutex_lock(&s->lock);
	s->calls.mac_set++;
	s->macs[0] = *addr;
	s->mac_used[0] = true;
	simnic_changed(s);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int
set_mc_addr_list(struct rte_eth_dev *dev, struct rte_ether_addr *list, uint32_t n)
{
	struct simnic *s = simnic_of(dev);
	int err;

	pthread_mutex_lock(&s->lock);
	s->calls.set_mc++;
	err = n > s->args.mcs || s->faults[FAULT_MC_ENOSPC] ? -ENOSPC : 0;
	if (err == 0 && !s->faults[FAULT_MC_IGNORED]) {
		memcpy(s->mcs, list, n * sizeof(*list));
		s->n_mcs = n;
	} else if (err != 0 && s->faults[FAULT_MC_EMPTIES]) {
		s->n_mcs = 0;
	}
	simnic_changed(s);
	pthread_mutex_unlock(&s->lock);
	return err;
}

static int
set_mode(struct rte_eth_dev *dev, bool *mode, bool on, uint64_t *calls)
{
	struct simnic *s = simnic_of(dev);

	pthread_mutex_lock(&s->lock);
	(*calls)++;
	*mode = on;
	simnic_changed(s);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int
promisc_on(struct rte_eth_dev *dev)
{
	struct simnic *s = simnic_of(dev);

	return set_mode(dev, &s->promisc, true, &s->calls.promisc_on);
}

static int
promisc_off(struct rte_eth_dev *dev)
{
	struct simnic *s = simnic_of(dev);

	return set_mode(dev, &s->promisc, false, &s->calls.promisc_off);
}

static int
allmulti_on(struct rte_eth_dev *dev)
{
	struct simnic *s = simnic_of(dev);

	return set_mode(dev, &s->allmulti, true, &s->calls.allmulti_on);
}

static int
allmulti_off(struct rte_eth_dev *dev)
{
	struct simnic *s = simnic_of(dev);

	return set_mode(dev, &s->allmulti, false, &s->calls.allmulti_off);
}

void
simnic_filter_ops(struct eth_dev_ops *ops, const struct simnic_args *args)
{
	ops->mac_addr_set = mac_addr_set;
	if (args->macs > 1) {
		ops->mac_addr_add = mac_addr_add;
		ops->mac_addr_remove = mac_addr_remove;
	}
	if (args->mcs > 0)
		ops->set_mc_addr_list = set_mc_addr_list;
	if (args->promisc) {
		ops->promiscuous_enable = promisc_on;
		ops->promiscuous_disable = promisc_off;
	}
	if (args->allmulti) {
		ops->allmulticast_enable = allmulti_on;
		ops->allmulticast_disable = allmulti_off;
	}
}
