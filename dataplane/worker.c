/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * The loop of one worker: take the newest view, poll, tell RCU that nothing old is held any more,
 * and rest when there is nothing to do. Runs on its own lcore, started and stopped by dataplane.c.
 * It takes no lock, allocates nothing and logs nothing; the only system calls are in idle.c, and
 * without traffic.
 */
#include "dataplane/worker.h"

#include <rte_cycles.h>
#include <rte_pause.h>

static void
adopt(struct worker *w, const struct view *v)
{
	worker_adopt(w, v);
	/* Of queues that another worker had we do not know whether they give signs. */
	w->idle.armed = w->dp->may_sleep;
	w->idle.armed_generation = 0;
}

static void
take_newest_view(struct worker *w)
{
	const struct view *v = atomic_load_explicit(&w->dp->view, memory_order_acquire);

	if (unlikely(v->generation != w->generation))
		adopt(w, v);
}

int
worker_main(void *arg)
{
	struct worker *w = arg;
	struct dataplane *dp = w->dp;
	uint64_t last = rte_rdtsc(), last_moved = last;

	w->clock = last;
	idle_start();
	rte_rcu_qsbr_thread_register(dp->qsbr, w->id);
	rte_rcu_qsbr_thread_online(dp->qsbr, w->id);
	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		uint64_t now = rte_rdtsc();
		uint32_t moved;

		w->idle_cycles += now - w->clock;
		w->clock = now;
		w->now = now;
		take_newest_view(w);
		moved = worker_poll(w, now - last);
		last = now;
		rte_rcu_qsbr_quiescent(dp->qsbr, w->id);
		if (moved > 0) {
			last_moved = w->clock;
			w->busy_cycles += last_moved - now;
			w->packets += moved;
			if (unlikely(w->idle.armed))
				idle_disarm(w);
			continue;
		}
		if (dp->may_sleep && now - last_moved > dp->patience)
			idle_rest(w);
		else
			rte_pause();
	}
	rte_rcu_qsbr_thread_offline(dp->qsbr, w->id);
	rte_rcu_qsbr_thread_unregister(dp->qsbr, w->id);
	return 0;
}
