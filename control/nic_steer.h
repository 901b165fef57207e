/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <rte_flow.h>

#include "control/nic.h"

/*
 * The demux tier `flow-queue`: rte_flow rules `eth dst is MAC -> queue`, one receive queue for each
 * port that gets one. Control thread.
 *
 * A queue changes hands only after a rest (STEER_REST_TICKS), so that no frame of the former owner
 * is still in it when the view begins to skip the lookup for the new one.
 */
#define STEER_REST_TICKS 5  /* of the follow timer */
#define STEER_SUSPICIOUS 16 /* frames looked up past a rule that never counted: it is broken */

struct steer_rule {
	uint64_t mac;
	uint16_t port;
	uint16_t queue;
	bool counts; /* has a COUNT action */
	struct rte_flow *flow;
	uint64_t own_queue_then, looked_up_then; /* the port's counters when the rule was made */
};

struct nic_steer {
	struct steer_rule *rules;
	uint32_t n_rules;
	bool full;        /* the device refused a rule for want of room; until one goes */
	uint64_t now;     /* ticks of the follow timer */
	uint64_t *broken; /* addresses whose rule did not steer */
	uint32_t n_broken;
	uint16_t owner[MAX_NIC_QUEUES];      /* port, or NO_PORT */
	uint64_t free_since[MAX_NIC_QUEUES]; /* tick from which the queue has had no owner */
};

/* What is known of a port's traffic, for judging rules; see struct steering. */
typedef void (*steer_traffic_fn)(void *ctx, uint16_t port, uint64_t *own_queue,
				 uint64_t *looked_up);

void nic_steer_init(struct nic_steer *s);

/* Would the driver take such rules at all? Asked once, when the device runs. */
bool nic_steer_supported(const struct nic *nic);

/*
 * Steers mac to port's queue. NULL: a rule does that, as before or from now on. Else why not, a
 * constant text: no queue left, the table is full, the driver refused, the rule proved broken.
 */
const char *nic_steer_add(struct nic_steer *s, struct nic *nic, uint64_t mac, uint16_t port,
			  steer_traffic_fn traffic, void *ctx);

/* Has mac a rule for another port than this? */
bool nic_steer_has_other(const struct nic_steer *s, uint64_t mac, uint16_t port);

/* Takes the rule for mac away, if there is one. The queue rests when its last rule went. */
void nic_steer_del(struct nic_steer *s, struct nic *nic, uint64_t mac);

/*
 * Timer: finds rules that never counted although their frames came by the shared queues; they go
 * and are remembered as broken. true: something changed, so the filter is to be applied again.
 */
bool nic_steer_check(struct nic_steer *s, struct nic *nic, steer_traffic_fn traffic, void *ctx);

/* The device forgot everything (reset): so do we, without talking to it. */
void nic_steer_forget(struct nic_steer *s);

/* Whose queue it is, for the view: NO_PORT for shared and resting ones. */
uint16_t nic_steer_owner(const struct nic_steer *s, uint16_t queue);

void nic_steer_free(struct nic_steer *s, struct nic *nic);
