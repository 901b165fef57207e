/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * From the daemon's context to the view, and to what each NIC has to pass. Called on the control
 * thread by uplink.c, port.c and the timer after every change.
 */
#include "control/publish.h"

#include <errno.h>
#include <stdlib.h>

#include "control/log.h"
#include "control/offloads.h"
#include "control/port_filter.h"

/* What is being put together: the spec and the growing array it borrows. */
struct draft {
	struct view_spec spec;
	struct view_spec_address *addresses;
	uint32_t room;
	struct view_poll polls[MAX_PORTS * MAX_QUEUE_PAIRS + MAX_UPLINKS * MAX_NIC_QUEUES];
	uint32_t n_polls;
};

static void
draft_uplink(struct draft *draft, const struct uplink *u, uint32_t workers)
{
	struct view_uplink *vu = &draft->spec.uplinks[u->index];

	vu->in_use = !u->resetting;
	vu->carrier = u->nic.carrier && !u->resetting;
	vu->segment = u->index; /* (uplink, no S-channel, no VLAN) */
	vu->max_frame = u->nic.mtu + FRAME_OVERHEAD;
	vu->flood_share = u->settings.flood_share;
	nic_endpoint(&u->nic, u->first_worker, workers, &vu->endpoint);
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
draft_endpoint(const struct daemon *d, const struct port *p, struct endpoint *ep)
{
	struct guest_facts facts;

	if (!port_is_vhost(p)) {
		nic_endpoint(&p->nic, p->uplink->first_worker, dataplane_workers(d->dp), ep);
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
draft_port(struct draft *draft, const struct daemon *d, const struct port *p)
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
	draft_endpoint(d, p, &vp->endpoint);
	for (uint32_t i = 0; i < f->n_unicast && err == 0; i++)
		err = draft_address(draft, mac_to_u64(&f->unicast[i].mac), p->index);
	for (uint32_t i = 0; i < f->n_multicast && err == 0; i++)
		err = draft_address(draft, mac_to_u64(&f->multicast[i].mac), p->index);
	return err;
}

/* The worker for the n-th queue of an uplink's own or of its ports. */
static uint32_t
worker_for(const struct daemon *d, const struct uplink *u, uint32_t n)
{
	return (u->first_worker + n % u->workers) % dataplane_workers(d->dp);
}

static void
draft_uplink_polls(struct draft *draft, const struct daemon *d, const struct uplink *u,
		   uint32_t worker)
{
	for (uint16_t q = 0; !u->resetting && q < u->nic.rx_queues; q++) {
		if (worker_for(d, u, q) != worker)
			continue;
		draft->polls[draft->n_polls++] =
			(struct view_poll){.from_wire = true,
					   .index = u->index,
					   .queue = q,
					   .owner = nic_steer_owner(&u->steer, q)};
	}
}

static void
draft_worker_polls(struct draft *draft, const struct daemon *d, uint32_t worker)
{
	uint32_t first = draft->n_polls;

	for (uint16_t i = 0; i < MAX_UPLINKS; i++)
		if (d->uplinks[i] != NULL)
			draft_uplink_polls(draft, d, d->uplinks[i], worker);
	for (uint16_t i = 0; i < MAX_PORTS; i++) {
		const struct endpoint *ep = &draft->spec.ports[i].endpoint;

		for (uint16_t q = 0; draft->spec.ports[i].up && q < ep->rx_queues; q++)
			if (worker_for(d, d->ports[i]->uplink, (uint32_t)i + q) == worker)
				draft->polls[draft->n_polls++] = (struct view_poll){
					.index = i, .queue = q, .owner = NO_PORT};
	}
	draft->spec.n_polls[worker] = draft->n_polls - first;
}

static int
draft_all(struct draft *draft, const struct daemon *d)
{
	int err = 0;

	for (uint32_t i = 0; i < MAX_UPLINKS; i++)
		if (d->uplinks[i] != NULL)
			draft_uplink(draft, d->uplinks[i], dataplane_workers(d->dp));
	for (uint32_t i = 0; i < MAX_PORTS && err == 0; i++)
		if (d->ports[i] != NULL)
			err = draft_port(draft, d, d->ports[i]);
	for (uint32_t w = 0; w < dataplane_workers(d->dp); w++)
		draft_worker_polls(draft, d, w);
	draft->spec.addresses = draft->addresses;
	draft->spec.polls = draft->polls;
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

int
publish(struct daemon *d)
{
	struct draft *draft = calloc(1, sizeof(*draft));
	struct view *v = NULL;
	int err;

	if (draft == NULL)
		return -ENOMEM;
	draft->spec.generation = d->generation + 1;
	port_filters_make(d);
	err = apply_filters(d);
	if (err == 0)
		err = draft_all(draft, d);
	if (err == 0)
		err = pools_assign(d, &draft->spec);
	if (err == 0)
		err = view_build(&draft->spec, &v);
	if (err == -EEXIST) {
		log_error("two ports have one address: the checks before have a gap");
		err = 0;
	}
	if (err == 0) {
		d->generation = draft->spec.generation;
		dataplane_publish(d->dp, v);
		pools_settle(d);
	} else {
		view_free(v);
	}
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
