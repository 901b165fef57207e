/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * From the daemon's context to the view, and to what each NIC has to pass. Called on the control
 * thread by uplink.c, port.c and the timer after every change.
 */
#include "control/publish.h"

#include <errno.h>
#include <rte_cycles.h>
#include <stdlib.h>

#include "control/log.h"
#include "control/offloads.h"
#include "control/poll_plan.h"
#include "control/port_filter.h"

/* Frames that the former worker of a port handed to the NIC leave before those of the new one, by
 * another transmit queue: time to send a ring of 1,024 full-sized frames at 10 Gbit/s. */
#define MOVE_REST_US 1300

/* What is being put together: the spec and the growing array it borrows. */
struct draft {
	struct view_spec spec;
	struct view_spec_address *addresses;
	uint32_t room;
	struct poll_plan plan;
};

static void
draft_uplink(struct draft *draft, const struct uplink *u)
{
	struct view_uplink *vu = &draft->spec.uplinks[u->index];

	vu->in_use = !u->resetting;
	vu->carrier = u->nic.carrier && !u->resetting;
	vu->segment = u->index; /* (uplink, no S-channel, no VLAN) */
	vu->max_frame = u->nic.mtu + FRAME_OVERHEAD;
	vu->flood_share = u->settings.flood_share;
	nic_endpoint(&u->nic, &vu->endpoint);
	draft->spec.uplink_macs[u->index] = mac_to_u64(&u->nic.mac);
	draft->spec.hairpin[u->index] = u->settings.hairpin;
}

static int
draft_address(struct draft *draft, uint64_t mac, uint16_t port)
{
	if (draft->spec.n_addresses == draft->room) {
		uint32_t room = draft->room == 0 ? 256 : draft->room * 2;
		struct view_spec_address *grown =
			reallocarray(draft->addresses, room, sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		draft->addresses = grown;
		draft->room = room;
	}
	draft->addresses[draft->spec.n_addresses++] =
		(struct view_spec_address){.mac = mac, .port = port};
	return 0;
}

static void
draft_endpoint(const struct port *p, struct endpoint *ep)
{
	struct guest_facts facts;

	if (!port_is_vhost(p)) {
		nic_endpoint(&p->nic, ep);
		return;
	}
	vhost_facts(p->guest.vid, &facts);
	offloads_of_guest(facts.features, ep);
	ep->kind = ENDPOINT_VHOST;
	ep->vid = p->guest.vid;
	ep->rx_queues = p->pairs;
	ep->tx_queues = p->pairs;
}

static int
draft_port(struct draft *draft, const struct port *p)
{
	struct view_port *vp = &draft->spec.ports[p->index];
	const struct rx_filter *f = &p->filter;
	int err = 0;

	vp->up = port_is_up(p);
	vp->own_source_deliver = p->settings.own_source == OWN_SOURCE_DELIVER;
	vp->mode = p->settings.mode;
	vp->segment = p->uplink->index;
	vp->uplink = p->uplink->index;
	draft->spec.promisc[p->index] = f->promisc;
	draft->spec.allmulticast[p->index] = f->allmulticast;
	if (!vp->up)
		return 0;
	draft_endpoint(p, &vp->endpoint);
	for (uint32_t i = 0; i < f->n_unicast && err == 0; i++)
		err = draft_address(draft, mac_to_u64(&f->unicast[i].mac), p->index);
	for (uint32_t i = 0; i < f->n_multicast && err == 0; i++)
		err = draft_address(draft, mac_to_u64(&f->multicast[i].mac), p->index);
	return err;
}

static int
draft_all(struct draft *draft, const struct daemon *d)
{
	int err = 0;

	for (uint32_t i = 0; i < MAX_UPLINKS; i++)
		if (d->uplinks[i] != NULL)
			draft_uplink(draft, d->uplinks[i]);
	for (uint32_t i = 0; i < MAX_PORTS && err == 0; i++)
		if (d->ports[i] != NULL)
			err = draft_port(draft, d->ports[i]);
	draft->spec.addresses = draft->addresses;
	poll_plan_make(d, dataplane_view(d->dp), &draft->spec, &draft->plan);
	poll_plan_group(d, &draft->plan, false, &draft->spec); /* which pools are needed */
	return err;
}

/* What one running port wants its uplink to pass. */
static int
want_port(struct filter_want *want, const struct port *p)
{
	const struct rx_filter *f = &p->filter;
	int err = nic_filter_want(want, MAC_ALL_HOSTS_V4, p->index);

	if (err == 0)
		err = nic_filter_want(want, MAC_ALL_HOSTS_V6, p->index);
	for (uint32_t i = 0; i < f->n_unicast && err == 0; i++)
		err = nic_filter_want(want, mac_to_u64(&f->unicast[i].mac), p->index);
	for (uint32_t i = 0; i < f->n_multicast && err == 0; i++)
		err = nic_filter_want(want, mac_to_u64(&f->multicast[i].mac), p->index);
	/* The kernel's IFF_PROMISC and MACVLAN_FLAG_NOPROMISC rules: macvlan_open. */
	if (p->settings.mode == MODE_PASSTHRU)
		want->promiscuous |= !p->settings.nopromisc;
	else
		want->promiscuous |= f->promisc;
	want->allmulticast |= f->allmulticast;
	/* A passthru port gets everything: there is nothing to sort. */
	want->may_steer[p->index] = p->settings.mode != MODE_PASSTHRU;
	return err;
}

static int
apply_filter(struct daemon *d, struct uplink *u)
{
	struct filter_want want = {.demux = u->settings.demux};
	int err = 0;

	for (uint32_t i = 0; i < MAX_PORTS && err == 0; i++)
		if (d->ports[i] != NULL && d->ports[i]->uplink == u && port_is_up(d->ports[i]))
			err = want_port(&want, d->ports[i]);
	if (err == 0)
		nic_filter_apply(&u->filter, &u->nic, &want);
	free(want.addresses);
	return err;
}

/* Filters first: which queue is whose is known only then. */
static int
apply_filters(struct daemon *d)
{
	int err = 0;

	for (uint32_t i = 0; i < MAX_UPLINKS && err == 0; i++)
		if (d->uplinks[i] != NULL && !d->uplinks[i]->resetting)
			err = apply_filter(d, d->uplinks[i]);
	return err;
}

static int
build(struct daemon *d, struct draft *draft, bool without_moving, struct view **v)
{
	int err;

	draft->spec.generation = ++d->generation;
	poll_plan_group(d, &draft->plan, without_moving, &draft->spec);
	err = view_build(&draft->spec, v);
	if (err == -EEXIST) {
		log_error("two ports have one address: the checks before have a gap");
		err = 0;
	}
	return err;
}

/*
 * Where queues move, there is a view between in which nobody polls them: a queue never has two
 * workers, and what the former one took has been delivered when the new one starts. The others do
 * not notice.
 */
static int
build_and_publish(struct daemon *d, struct draft *draft)
{
	struct view *between = NULL, *v = NULL;
	int err = 0;

	if (draft->plan.n_moving > 0)
		err = build(d, draft, true, &between);
	if (err == 0)
		err = build(d, draft, false, &v);
	if (err != 0) {
		view_free(between);
		view_free(v);
		return err;
	}
	if (between != NULL) {
		dataplane_publish(d->dp, between);
		if (draft->plan.ports_moving)
			rte_delay_us_sleep(MOVE_REST_US);
	}
	dataplane_publish(d->dp, v);
	poll_plan_commit(d, &draft->plan);
	return 0;
}

int
publish(struct daemon *d)
{
	struct draft *draft = calloc(1, sizeof(*draft));
	int err;

	if (draft == NULL)
		return -ENOMEM;
	port_filters_make(d);
	err = apply_filters(d);
	if (err == 0)
		err = draft_all(draft, d);
	if (err == 0)
		err = pools_assign(d, &draft->spec);
	if (err == 0)
		err = build_and_publish(d, draft);
	if (err == 0)
		pools_settle(d);
	free(draft->addresses);
	free(draft);
	return err;
}

int
publish_wake_fd(void *ctx, const struct view_poll *poll)
{
	const struct daemon *d = ctx;
	const struct port *p;

	if (poll->from_wire)
		return d->uplinks[poll->index]->nic.wake_fds[poll->queue];
	p = d->ports[poll->index];
	return port_is_vhost(p) ? p->kicks[poll->queue] : p->nic.wake_fds[poll->queue];
}
