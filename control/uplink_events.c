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

/* The device lost its filters. Out of the view, reset, in again, and publish gives them back. */
static void
reset(struct daemon *d, struct uplink *u)
{
	struct nic_wants wants = uplink_wants(d, &u->settings);
	struct errmsg e;

	log_notice("uplink %s: the device asks for a reset", u->settings.name);
	daemon_event(d, "uplink.reset", u->settings.name, NULL);
	u->resetting = true;
	if (publish(d) != 0)
		log_error("uplink %s: out of memory", u->settings.name);
	nic_filter_forget(&u->filter);
	if (nic_reset(&u->nic, &wants, &e) != 0) {
		log_error("uplink %s: %s; tried again", u->settings.name, e.text);
		atomic_store(&u->nic.reset_pending, true);
		return;
	}
	u->resetting = false;
}

/* true: the view is to be made anew. */
static bool
follow_uplink(struct daemon *d, struct uplink *u)
{
	bool carrier = u->nic.carrier;
	bool changed = false;

	if (atomic_load(&u->nic.reset_pending)) {
		reset(d, u);
		changed = true;
	}
	if (u->resetting)
		return changed;
	if (nic_bond_follow(&u->nic, u->settings.name))
		daemon_event(d, "uplink.changed", u->settings.name, NULL);
	changed |= follow(d, &u->nic, u->settings.mtu == 0, "uplink", u->settings.name);
	for (uint32_t i = 0; carrier != u->nic.carrier && i < MAX_PORTS; i++)
		if (d->ports[i] != NULL && d->ports[i]->uplink == u)
			guest_sync_link(d->ports[i]);
	if (u->filter.steer != NULL)
		changed |= nic_steer_check(u->filter.steer, &u->nic, uplink_traffic, d);
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
