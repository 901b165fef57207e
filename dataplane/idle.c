/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * How a worker without frames sleeps, and what it asks of guests and devices so that they wake it.
 * Called by the worker's loop when polls were in vain for idle_after; not under traffic, so this is
 * where its system calls are. docs/performance.md says what they cost, and what else was tried.
 */
#include "dataplane/idle.h"

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>

#include "dataplane/worker.h"

#define EVENTS 64 /* taken at a time; which ones does not matter */

void
idle_start(void)
{
	/* The kernel's default slack of 50 us would double each step. */
	prctl(PR_SET_TIMERSLACK, 1UL);
}

/* Signs of all queues on or off. A driver that has no switch for them always gives them. */
static void
set_signs(const struct worker *w, bool on)
{
	const struct view *v = w->current;

	for (uint32_t i = 0; i < w->n_polls; i++) {
		const struct view_poll *p = &w->polls[i].poll;
		const struct endpoint *ep = p->from_wire ? &v->uplinks[p->index].endpoint
							 : &v->ports[p->index].endpoint;

		if (ep->kind == ENDPOINT_VHOST)
			rte_vhost_enable_guest_notification(ep->vid, vhost_guest_tx_ring(p->queue),
							    on);
		else if (on)
			rte_eth_dev_rx_intr_enable(ep->ethdev, p->queue);
		else
			rte_eth_dev_rx_intr_disable(ep->ethdev, p->queue);
	}
}

static void
arm(struct worker *w)
{
	set_signs(w, true);
	/* Between our asking for a sign and our look at the rings, as the guest has one between its
	 * frame and its look whether a sign is wanted: one of the two is seen. */
	rte_smp_mb();
	w->idle.armed = true;
	w->idle.armed_generation = w->generation;
}

void
idle_disarm(struct worker *w)
{
	set_signs(w, false);
	w->idle.armed = false;
}

/*
 * Offline, so that publications do not wait for a sleeper; what it has of the view is stale when it
 * is online again, and the loop takes the newest one before it touches any.
 */
static void
sleep_for(struct worker *w, uint32_t us)
{
	struct epoll_event events[EVENTS];
	const struct timespec bound = {.tv_nsec = us * 1000};
	int n;

	__atomic_store_n(&w->idle.sleeps, w->idle.sleeps + 1, __ATOMIC_RELAXED);
	rte_rcu_qsbr_thread_offline(w->dp->qsbr, w->id);
	n = epoll_pwait2(w->dp->wakeups[w->id].epoll, events, EVENTS, &bound, NULL);
	if (n < 0) /* a signal, or a kernel before 5.11: never a loop without rest */
		nanosleep(&(struct timespec){.tv_nsec = w->dp->idle_step_us * 1000}, NULL);
	rte_rcu_qsbr_thread_online(w->dp->qsbr, w->id);
}

void
idle_rest(struct worker *w)
{
	if (atomic_load_explicit(&w->dp->wakeups[w->id].deaf, memory_order_relaxed)) {
		/* Something gives no sign: it is looked at in short steps, and the others with it.
		 */
		sleep_for(w, w->dp->idle_step_us);
		return;
	}
	if (w->idle.armed && w->idle.armed_generation == w->generation)
		sleep_for(w, IDLE_BOUND_US);
	else
		arm(w);
	w->n_hot = w->n_polls; /* a look at every queue, the cold ones too */
}
