/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Small services around the daemon's context: finding things, the running state as settings, events
 * for monitors, buffers that wait for their last frame. Control thread.
 */
#include "control/daemon.h"

#include <rte_mempool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/rpc_server.h"

struct uplink *
daemon_find_uplink(const struct daemon *d, const char *name)
{
	for (uint32_t i = 0; i < MAX_UPLINKS; i++)
		if (d->uplinks[i] != NULL && strcmp(d->uplinks[i]->settings.name, name) == 0)
			return d->uplinks[i];
	return NULL;
}

struct port *
daemon_find_port(const struct daemon *d, const char *name)
{
	for (uint32_t i = 0; i < MAX_PORTS; i++)
		if (d->ports[i] != NULL && strcmp(d->ports[i]->settings.name, name) == 0)
			return d->ports[i];
	return NULL;
}

int
daemon_snapshot(const struct daemon *d, struct settings *s)
{
	int err = 0;

	settings_init(s);
	s->daemon = d->settings;
	for (uint32_t i = 0; i < MAX_UPLINKS && err == 0; i++)
		if (d->uplinks[i] != NULL)
			err = settings_add_uplink(s, &d->uplinks[i]->settings, NULL);
	for (uint32_t i = 0; i < MAX_PORTS && err == 0; i++)
		if (d->ports[i] != NULL)
			err = settings_add_port(s, &d->ports[i]->settings, NULL);
	if (err != 0)
		settings_free(s);
	return err;
}

void
daemon_retire_pool(struct daemon *d, struct rte_mempool *pool)
{
	struct retired_pool *r;

	if (pool == NULL)
		return;
	r = malloc(sizeof(*r));
	if (r == NULL)
		return; /* leaking buffers is better than freeing them under a NIC's feet */
	*r = (struct retired_pool){.pool = pool, .next = d->retired};
	d->retired = r;
	daemon_free_retired(d);
}

void
daemon_free_retired(struct daemon *d)
{
	for (struct retired_pool **at = &d->retired; *at != NULL;) {
		struct retired_pool *r = *at;

		if (!rte_mempool_full(r->pool)) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		rte_mempool_free(r->pool);
		free(r);
	}
}

void
daemon_event(struct daemon *d, const char *event, const char *name, json_t *more)
{
	struct timespec now;
	json_t *object;

	if (d->rpc == NULL) {
		json_decref(more);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	object =
		json_pack("{s:f, s:s, s:s}", "time", (double)now.tv_sec + (double)now.tv_nsec / 1e9,
			  "event", event, "name", name);
	if (object != NULL && more != NULL)
		json_object_update(object, more);
	json_decref(more);
	if (object != NULL)
		rpc_server_event(d->rpc, object);
	json_decref(object);
}
