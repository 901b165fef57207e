/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Links, MTUs, resets and flow rules of the NICs, looked at by a timer. Called by main.c's timer on
 * the control thread.
 */
#include "control/uplink_events.h"

#include <stdatomic.h>

#include "control/log.h"
#include "control/nic_bond.h"
#include "control/publish.h"
#include "control/uplink.h"

#define LOST_RETRY_TICKS 10 /* of the follow timer: once a second */

static bool
follow(struct daemon *d, struct nic *nic, bool follow_mtu, const char *kind, const char *name)
{
	bool carrier = nic->carrier;
	char event[32];

	if (!nic_follow(nic, follow_mtu))
		return false;
	if (carrier != nic->carrier) {
		log_notice("%s %s: link %s", kind, name, nic->carrier ? "up" : "down");
		snprintf(event, sizeof(event), "%s.%s", kind, nic->carrier ? "up" : "down");
	} else {
		snprintf(event, sizeof(event), "%s.changed", kind);
	}
	daemon_event(d, event, name, json_pack("{s:i}", "mtu", (int)nic->mtu));
	return true;
}

void
uplink_traffic(void *ctx, uint16_t port, uint64_t *own_queue, uint64_t *looked_up)
{
	const struct daemon *d = ctx;
	const struct port *p = d->ports[port];
	struct steering steering;

	*own_queue = *looked_up = 0;
	if (p == NULL)
		return;
	for (uint32_t i = 0; i < p->uplink->filter.now.n; i++) {
		const struct filter_address *a = &p->uplink->filter.now.addresses[i];

		if (a->port == port && !(a->mac & MAC_MULTICAST_BIT) && a->tier != TIER_FLOW_QUEUE)
			return;
	}
	dataplane_port_steering(d->dp, port, &steering);
	*own_queue = steering.own_queue;
	*looked_up = steering.looked_up;
}

/* Takes the device out of the view; false: it is still in, so it must not be touched. */
static bool
take_out(struct daemon *d, struct uplink *u)
{
	u->resetting = true;
	if (publish(d) == 0)
		return true;
	log_error("uplink %s: out of memory; tried again", u->settings.name);
	u->resetting = false;
	return false;
}

/* The device lost its filters. Out of the view, reset, in again, and publish gives them back. */
static void
reset(struct daemon *d, struct uplink *u)
{
	struct nic_wants wants = uplink_wants(d, &u->settings);
	struct errmsg e;

	if (!take_out(d, u))
		return;
	log_notice("uplink %s: the device asks for a reset", u->settings.name);
	daemon_event(d, "uplink.reset", u->settings.name, NULL);
	nic_filter_forget(&u->filter);
	if (nic_reset(&u->nic, &wants, &e) != 0) {
		log_error("uplink %s: %s; tried again", u->settings.name, e.text);
		atomic_store(&u->nic.reset_pending, true);
		return;
	}
	u->resetting = false;
}

/* The device was pulled out. Its ports stay, and so does what they want. */
static void
lose(struct daemon *d, struct uplink *u)
{
	struct rte_mempool *pool;

	if (!take_out(d, u))
		return;
	log_error("uplink %s: the device is gone", u->settings.name);
	nic_filter_forget(&u->filter);
	nic_close(&u->nic, &pool);
	daemon_retire_pool(d, pool);
	u->nic.carrier = false;
	u->lost = true;
	u->lost_ticks = 0;
	daemon_event(d, "uplink.down", u->settings.name, NULL);
}

/* Is it back? Then it gets everything that the ports want. true: the view is to be made anew. */
static bool
find_again(struct daemon *d, struct uplink *u)
{
	struct nic_wants wants = uplink_wants(d, &u->settings);
	struct nic former = u->nic;
	struct errmsg e;

	if (++u->lost_ticks % LOST_RETRY_TICKS != 0)
		return false;
	if (nic_open(&u->nic, &wants, &e) != 0) {
		u->nic = former;
		return false;
	}
	u->filter.steer = u->nic.rx_queues > u->nic.shared_queues ? &u->steer : NULL;
	u->lost = false;
	u->resetting = false;
	log_notice("uplink %s: the device is back", u->settings.name);
	daemon_event(d, u->nic.carrier ? "uplink.up" : "uplink.changed", u->settings.name, NULL);
	return true;
}

static void
tell_guests_link(struct daemon *d, const struct uplink *u)
{
	for (uint32_t i = 0; i < MAX_PORTS; i++)
		if (d->ports[i] != NULL && d->ports[i]->uplink == u)
			guest_sync_link(d->ports[i]);
}

/* true: the view is to be made anew. */
static bool
follow_uplink(struct daemon *d, struct uplink *u)
{
	bool carrier = u->nic.carrier;
	bool changed = false;

	if (!u->lost && atomic_load(&u->nic.removed))
		lose(d, u);
	else if (u->lost)
		changed = find_again(d, u);
	else if (atomic_load(&u->nic.reset_pending)) {
		reset(d, u);
		changed = true;
	}
	if (!u->resetting) {
		if (nic_bond_follow(&u->nic, u->settings.name))
			daemon_event(d, "uplink.changed", u->settings.name, NULL);
		changed |= follow(d, &u->nic, u->settings.mtu == 0, "uplink", u->settings.name);
		if (u->filter.steer != NULL)
			changed |= nic_steer_check(u->filter.steer, &u->nic, uplink_traffic, d);
	}
	if (carrier != u->nic.carrier)
		tell_guests_link(d, u);
	return changed;
}

void
uplinks_follow(struct daemon *d)
{
	bool changed = false;

	for (uint32_t i = 0; i < MAX_UPLINKS; i++) {
		if (d->uplinks[i] != NULL)
			changed |= follow_uplink(d, d->uplinks[i]);
	}
	for (uint32_t i = 0; i < MAX_PORTS; i++) {
		struct port *p = d->ports[i];

		if (p != NULL && !port_is_vhost(p))
			changed |= follow(d, &p->nic, true, "port", p->settings.name);
	}
	if (changed && publish(d) != 0)
		log_error("out of memory: a link's change is not in effect yet");
}
