/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * rte_flow of the simulated NIC: "eth dst is ADDRESS / end" with "queue / end" or "queue / count /
 * end", and a reason for everything else. A rule that the hardware forgot (reset, stop without
 * flow_keep) stays valid memory until it is destroyed, so that a test can tell who uses it still.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simnic/simnic.h"

struct rule {
	struct rte_ether_addr dst;
	uint16_t queue;
	bool has_queue, count;
};

static int
refuse(struct rte_flow_error *error, int code, enum rte_flow_error_type type, const void *cause,
       const char *message)
{
	return rte_flow_error_set(error, code, type, cause, message);
}

struct rte_flow *
simnic_flow_find(struct simnic *s, const struct rte_ether_addr *dst)
{
	struct rte_flow *f;

	LIST_FOREACH (f, &s->flows, entry)
		if (!f->dead && rte_is_same_ether_addr(&f->dst, dst))
			return f;
	return NULL;
}

void
simnic_flow_kill(struct simnic *s)
{
	struct rte_flow *f;

	LIST_FOREACH (f, &s->flows, entry)
		f->dead = true;
	s->n_flows = 0;
}

void
simnic_flow_free(struct simnic *s)
{
	struct rte_flow *f;

	while ((f = LIST_FIRST(&s->flows)) != NULL) {
		LIST_REMOVE(f, entry);
		free(f);
	}
	s->n_flows = 0;
}

static int
parse_eth(const struct rte_flow_item *item, struct rule *rule, struct rte_flow_error *error)
{
	const struct rte_flow_item_eth *spec = item->spec, *mask = item->mask;

	if (item->type != RTE_FLOW_ITEM_TYPE_ETH)
		return refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM, item,
			      "simnic: the only pattern is eth / end");
	if (spec == NULL || mask == NULL || item->last != NULL)
		return refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_SPEC, item,
			      "simnic: eth: spec and mask are needed, last is not supported");
	if (!rte_is_broadcast_ether_addr(&mask->dst))
		return refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_MASK, item,
			      "simnic: eth: dst is matched as a whole only");
	if (!rte_is_zero_ether_addr(&mask->src) || mask->type != 0 || mask->has_vlan)
		return refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_MASK, item,
			      "simnic: eth: nothing but dst is matched");
	rule->dst = spec->dst;
	return 0;
}

static int
parse_pattern(const struct rte_flow_item *item, struct rule *rule, struct rte_flow_error *error)
{
	uint32_t n = 0;
	int err = 0;

	for (; err == 0 && item->type != RTE_FLOW_ITEM_TYPE_END; item++)
		if (item->type != RTE_FLOW_ITEM_TYPE_VOID)
			err = n++ == 0 ? parse_eth(item, rule, error)
				       : refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM, item,
						"simnic: the only pattern is eth / end");
	if (err == 0 && n == 0)
		err = refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_NUM, NULL,
			     "simnic: the only pattern is eth / end");
	return err;
}

static int
parse_action(const struct simnic *s, const struct rte_flow_action *a, struct rule *rule,
	     struct rte_flow_error *error)
{
	const struct rte_flow_action_queue *queue = a->conf;

	switch (a->type) {
	case RTE_FLOW_ACTION_TYPE_VOID:
		return 0;
	case RTE_FLOW_ACTION_TYPE_QUEUE:
		if (rule->has_queue || queue == NULL || queue->index >= s->dev->data->nb_rx_queues)
			return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION_CONF, a,
				      "simnic: one queue, of those that are configured");
		rule->queue = queue->index;
		rule->has_queue = true;
		return 0;
	case RTE_FLOW_ACTION_TYPE_COUNT:
		if (!s->args.count)
			return refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, a,
				      "simnic: no counters (count=0)");
		rule->count = true;
		return 0;
	default:
		return refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, a,
			      "simnic: the actions are queue and count");
	}
}

/* 0 with *rule filled, or -rte_errno with *error. Under the lock. */
static int
parse(const struct simnic *s, const struct rte_flow_attr *attr, const struct rte_flow_item *pattern,
      const struct rte_flow_action *action, struct rule *rule, struct rte_flow_error *error)
{
	int err;

	memset(rule, 0, sizeof(*rule));
	if (attr == NULL || pattern == NULL || action == NULL)
		return refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, NULL,
			      "simnic: attributes, pattern and actions are needed");
	if (!attr->ingress || attr->egress || attr->transfer || attr->group != 0 ||
	    attr->priority != 0)
		return refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ATTR, attr,
			      "simnic: ingress, group 0 and priority 0 only");
	err = parse_pattern(pattern, rule, error);
	for (; err == 0 && action->type != RTE_FLOW_ACTION_TYPE_END; action++)
		err = parse_action(s, action, rule, error);
	if (err == 0 && !rule->has_queue)
		err = refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION_NUM, NULL,
			     "simnic: a queue action is needed");
	return err;
}

static int
flow_validate(struct rte_eth_dev *dev, const struct rte_flow_attr *attr,
	      const struct rte_flow_item pattern[], const struct rte_flow_action actions[],
	      struct rte_flow_error *error)
{
	struct simnic *s = simnic_of(dev);
	struct rule rule;
	int err;

	pthread_mutex_lock(&s->lock);
	if (s->faults[FAULT_FLOW_VALIDATE_FAILS])
		err = refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM, pattern,
			     "simnic: fault flow_validate_fails");
	else
		err = parse(s, attr, pattern, actions, &rule, error);
	pthread_mutex_unlock(&s->lock);
	return err;
}

/* Why the hardware would not take this rule now: 0 or -rte_errno. */
static int
room_for(struct simnic *s, const struct rule *rule, struct rte_flow_error *error)
{
	if (s->faults[FAULT_FLOW_CREATE_ENOTSUP])
		return refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_HANDLE, NULL,
			      "simnic: fault flow_create_enotsup");
	if (s->faults[FAULT_FLOW_CREATE_FAILS])
		return refuse(error, ENOSPC, RTE_FLOW_ERROR_TYPE_HANDLE, NULL,
			      "simnic: fault flow_create_fails");
	if (s->n_flows >= s->args.flows)
		return refuse(error, ENOSPC, RTE_FLOW_ERROR_TYPE_HANDLE, NULL,
			      "simnic: the flow table is full");
	if (simnic_flow_find(s, &rule->dst) != NULL)
		return refuse(error, EEXIST, RTE_FLOW_ERROR_TYPE_ITEM_SPEC, NULL,
			      "simnic: there is a rule for this address");
	return 0;
}

static struct rte_flow *
flow_create(struct rte_eth_dev *dev, const struct rte_flow_attr *attr,
	    const struct rte_flow_item pattern[], const struct rte_flow_action actions[],
	    struct rte_flow_error *error)
{
	struct simnic *s = simnic_of(dev);
	struct rte_flow *f = NULL;
	struct rule rule;

	pthread_mutex_lock(&s->lock);
	s->calls.flow_create++;
	if (parse(s, attr, pattern, actions, &rule, error) == 0 && room_for(s, &rule, error) == 0) {
		f = calloc(1, sizeof(*f));
		if (f == NULL)
			refuse(error, ENOMEM, RTE_FLOW_ERROR_TYPE_HANDLE, NULL, "out of memory");
	}
	if (f != NULL) {
		f->dst = rule.dst;
		f->queue = rule.queue;
		f->count = rule.count;
		LIST_INSERT_HEAD(&s->flows, f, entry);
		s->n_flows++;
		simnic_changed(s);
	}
	pthread_mutex_unlock(&s->lock);
	return f;
}

/* The rule behind a handle, or NULL with *error: not there, or forgotten by the hardware. */
static struct rte_flow *
known(struct simnic *s, const struct rte_flow *flow, struct rte_flow_error *error)
{
	struct rte_flow *f;

	LIST_FOREACH (f, &s->flows, entry)
		if (f == flow && !f->dead)
			return f;
	s->calls.flow_stale++;
	refuse(error, ENOENT, RTE_FLOW_ERROR_TYPE_HANDLE, flow, "simnic: no such rule");
	return NULL;
}

static int
flow_destroy(struct rte_eth_dev *dev, struct rte_flow *flow, struct rte_flow_error *error)
{
	struct simnic *s = simnic_of(dev);
	struct rte_flow *f;

	pthread_mutex_lock(&s->lock);
	s->calls.flow_destroy++;
	f = known(s, flow, error);
	if (f != NULL) {
		LIST_REMOVE(f, entry);
		free(f);
		s->n_flows--;
		simnic_changed(s);
	}
	pthread_mutex_unlock(&s->lock);
	return f != NULL ? 0 : -ENOENT;
}

static int
flow_flush(struct rte_eth_dev *dev, __rte_unused struct rte_flow_error *error)
{
	struct simnic *s = simnic_of(dev);

	pthread_mutex_lock(&s->lock);
	s->calls.flow_destroy++;
	simnic_flow_free(s);
	simnic_changed(s);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int
flow_query(struct rte_eth_dev *dev, struct rte_flow *flow, const struct rte_flow_action *action,
	   void *data, struct rte_flow_error *error)
{
	struct rte_flow_query_count *query = data;
	struct simnic *s = simnic_of(dev);
	struct rte_flow *f;
	int err = 0;

	pthread_mutex_lock(&s->lock);
	s->calls.flow_query++;
	f = known(s, flow, error);
	if (f == NULL) {
		err = -ENOENT;
	} else if (action->type != RTE_FLOW_ACTION_TYPE_COUNT || !f->count) {
		err = refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, action,
			     "simnic: the rule has no such action to ask");
	} else {
		query->hits_set = 1;
		query->bytes_set = 0;
		query->hits = s->faults[FAULT_FLOW_NO_COUNT] ? 0 : f->hits - f->queried_hits;
		if (query->reset)
			f->queried_hits = f->hits;
	}
	pthread_mutex_unlock(&s->lock);
	return err;
}

int
simnic_flow_ops_get(struct rte_eth_dev *dev, const struct rte_flow_ops **ops)
{
	static const struct rte_flow_ops all = {
		.validate = flow_validate,
		.create = flow_create,
		.destroy = flow_destroy,
		.flush = flow_flush,
		.query = flow_query,
	};

	*ops = simnic_of(dev)->args.flows > 0 ? &all : NULL;
	return 0;
}
