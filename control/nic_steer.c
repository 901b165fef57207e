/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Flow rules that put a port's frames into the port's own receive queue, and the suspicion that
 * they do not. Called by nic_filter.c and by the follow timer on the control thread.
 */
#include "control/nic_steer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/log.h"
#include "dataplane/view.h"

static const char full_text[] = "the device's flow table is full";

void
nic_steer_init(struct nic_steer *s)
{
	memset(s, 0, sizeof(*s));
	for (uint16_t q = 0; q < MAX_NIC_QUEUES; q++)
		s->owner[q] = NO_PORT;
}

/* One rule's description, as rte_flow wants it. */
struct rule_spec {
	struct rte_flow_item_eth spec, mask;
	struct rte_flow_item pattern[2];
	struct rte_flow_action_count count;
	struct rte_flow_action_queue queue;
	struct rte_flow_action actions[3];
};

static const struct rte_flow_attr ingress = {.ingress = 1};

static void
describe(struct rule_spec *r, uint64_t mac, uint16_t queue, bool count)
{
	uint32_t n = 0;

	memset(r, 0, sizeof(*r));
	mac_bytes_from_u64(mac, r->spec.hdr.dst_addr.addr_bytes);
	memset(r->mask.hdr.dst_addr.addr_bytes, 0xff, RTE_ETHER_ADDR_LEN);
	r->pattern[0] = (struct rte_flow_item){
		.type = RTE_FLOW_ITEM_TYPE_ETH, .spec = &r->spec, .mask = &r->mask};
	r->pattern[1].type = RTE_FLOW_ITEM_TYPE_END;
	r->queue.index = queue;
	if (count)
		r->actions[n++] = (struct rte_flow_action){.type = RTE_FLOW_ACTION_TYPE_COUNT,
							   .conf = &r->count};
	r->actions[n++] =
		(struct rte_flow_action){.type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &r->queue};
	r->actions[n].type = RTE_FLOW_ACTION_TYPE_END;
}

bool
nic_steer_supported(const struct nic *nic)
{
	struct rte_flow_error error;
	struct rule_spec r;

	describe(&r, UINT64_C(0x020000000001), nic->shared_queues, false);
	return rte_flow_validate(nic->ethdev, &ingress, r.pattern, r.actions, &error) == 0;
}

static struct steer_rule *
find(const struct nic_steer *s, uint64_t mac)
{
	for (uint32_t i = 0; i < s->n_rules; i++)
		if (s->rules[i].mac == mac)
			return &s->rules[i];
	return NULL;
}

bool
nic_steer_has_other(const struct nic_steer *s, uint64_t mac, uint16_t port)
{
	const struct steer_rule *rule = find(s, mac);

	return rule != NULL && rule->port != port;
}

static bool
is_broken(const struct nic_steer *s, uint64_t mac)
{
	for (uint32_t i = 0; i < s->n_broken; i++)
		if (s->broken[i] == mac)
			return true;
	return false;
}

/* The port's queue, or one that rested long enough; 0: none (queue 0 is always shared). */
static uint16_t
queue_for(const struct nic_steer *s, const struct nic *nic, uint16_t port)
{
	uint16_t rested = 0;

	for (uint16_t q = nic->shared_queues; q < nic->rx_queues; q++) {
		if (s->owner[q] == port)
			return q;
		if (rested == 0 && s->owner[q] == NO_PORT &&
		    (s->free_since[q] == 0 || s->now >= s->free_since[q] + STEER_REST_TICKS))
			rested = q;
	}
	return rested;
}

/* Asks for the rule with a counter, else without. 0 with *rule filled, or the driver's errno. */
static int
create(struct nic *nic, struct steer_rule *rule)
{
	struct rte_flow_error error;
	struct rule_spec r;

	for (int count = 1; count >= 0; count--) {
		describe(&r, rule->mac, rule->queue, count != 0);
		if (rte_flow_validate(nic->ethdev, &ingress, r.pattern, r.actions, &error) != 0 &&
		    count != 0)
			continue;
		rule->flow = rte_flow_create(nic->ethdev, &ingress, r.pattern, r.actions, &error);
		rule->counts = count != 0;
		if (rule->flow != NULL)
			return 0;
	}
	return rte_errno != 0 ? -rte_errno : -EIO;
}

const char *
nic_steer_add(struct nic_steer *s, struct nic *nic, uint64_t mac, uint16_t port,
	      steer_traffic_fn traffic, void *ctx)
{
	struct steer_rule rule = {.mac = mac, .port = port};
	const struct steer_rule *old = find(s, mac);
	struct steer_rule *grown;
	int err;

	if (old != NULL && old->port == port)
		return NULL;
	nic_steer_del(s, nic, mac); /* another port's, which has it no more */
	if (is_broken(s, mac))
		return "the flow rule was accepted but did not steer";
	if (s->full)
		return full_text;
	rule.queue = queue_for(s, nic, port);
	if (rule.queue == 0)
		return "no receive queue is free for the port";
	grown = reallocarray(s->rules, s->n_rules + 1, sizeof(*grown));
	if (grown == NULL)
		return "out of memory";
	s->rules = grown;
	err = create(nic, &rule);
	if (err == -ENOSPC) {
		s->full = true;
		return full_text;
	}
	if (err != 0)
		return "the driver refused the flow rule";
	traffic(ctx, port, &rule.own_queue_then, &rule.looked_up_then);
	s->rules[s->n_rules++] = rule;
	s->owner[rule.queue] = port;
	return NULL;
}

static void
release_queue(struct nic_steer *s, uint16_t queue)
{
	for (uint32_t i = 0; i < s->n_rules; i++)
		if (s->rules[i].queue == queue)
			return;
	s->owner[queue] = NO_PORT;
	s->free_since[queue] = s->now + 1;
}

void
nic_steer_del(struct nic_steer *s, struct nic *nic, uint64_t mac)
{
	struct steer_rule *rule = find(s, mac);
	struct rte_flow_error error;
	uint16_t queue;

	if (rule == NULL)
		return;
	queue = rule->queue;
	if (rte_flow_destroy(nic->ethdev, rule->flow, &error) != 0)
		log_warning("ethdev %u: a flow rule could not be removed", nic->ethdev);
	*rule = s->rules[--s->n_rules];
	s->full = false;
	release_queue(s, queue);
}

/* Did the rule see anything? Its own counter says, or the queue that it fills. */
static bool
has_hits(const struct nic *nic, const struct steer_rule *rule, uint64_t own_queue)
{
	const struct rte_flow_action count[] = {{.type = RTE_FLOW_ACTION_TYPE_COUNT},
						{.type = RTE_FLOW_ACTION_TYPE_END}};
	struct rte_flow_query_count query = {0};
	struct rte_flow_error error;

	if (own_queue != rule->own_queue_then)
		return true;
	return rule->counts &&
	       rte_flow_query(nic->ethdev, rule->flow, count, &query, &error) == 0 &&
	       query.hits_set && query.hits > 0;
}

bool
nic_steer_check(struct nic_steer *s, struct nic *nic, steer_traffic_fn traffic, void *ctx)
{
	bool changed = false;

	s->now++;
	for (uint32_t i = 0; i < s->n_rules;) {
		struct steer_rule *rule = &s->rules[i];
		uint64_t own_queue, looked_up, *grown;

		traffic(ctx, rule->port, &own_queue, &looked_up);
		if (looked_up - rule->looked_up_then < STEER_SUSPICIOUS ||
		    has_hits(nic, rule, own_queue)) {
			i++;
			continue;
		}
		log_warning("ethdev %u: a flow rule never counted while its frames came by the "
			    "shared queues: it is not used any more",
			    nic->ethdev);
		grown = reallocarray(s->broken, s->n_broken + 1, sizeof(*grown));
		if (grown == NULL)
			return changed;
		s->broken = grown;
		s->broken[s->n_broken++] = rule->mac;
		nic_steer_del(s, nic, rule->mac);
		changed = true;
	}
	/* A queue that has rested may serve a port that had none. */
	for (uint16_t q = nic->shared_queues; q < nic->rx_queues; q++)
		changed |= s->free_since[q] != 0 && s->now == s->free_since[q] + STEER_REST_TICKS;
	return changed;
}

void
nic_steer_forget(struct nic_steer *s)
{
	for (uint16_t q = 0; q < MAX_NIC_QUEUES; q++) {
		if (s->owner[q] != NO_PORT)
			s->free_since[q] = s->now + 1;
		s->owner[q] = NO_PORT;
	}
	s->n_rules = 0;
	s->n_broken = 0;
	s->full = false;
}

uint16_t
nic_steer_owner(const struct nic_steer *s, uint16_t queue)
{
	return s->owner[queue];
}

void
nic_steer_free(struct nic_steer *s, struct nic *nic)
{
	while (s->n_rules > 0)
		nic_steer_del(s, nic, s->rules[0].mac);
	free(s->rules);
	free(s->broken);
	nic_steer_init(s);
}
