/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * What `memory show` prints: the pools, DPDK's heap, and what of the process is its own and what is
 * its guests', whose memory it has mapped. Called by commands.c on the control thread.
 */
#include <inttypes.h>
#include <rte_malloc.h>
#include <rte_mempool.h>
#include <stdio.h>
#include <string.h>

#include "control/daemon.h"
#include "control/pools.h"

/* Bytes that are in memory. */
struct resident {
	uint64_t own, guests;
};

/*
 * Shared mappings are guests', but for DPDK's memory without hugepages (a file without a name that
 * the kernel calls nohuge) and the rings of packet sockets.
 */
static bool
is_guests(const char *permissions, const char *path)
{
	return permissions[3] == 's' && path[0] == '/' && strstr(path, "nohuge") == NULL &&
	       strncmp(path, "/dev/", strlen("/dev/")) != 0 && strchr(path, '[') == NULL;
}

static struct resident
count_resident(void)
{
	struct resident r = {0};
	FILE *f = fopen("/proc/self/smaps", "re");
	char line[512], permissions[8], path[256];
	bool guests = false;
	uint64_t kilobytes;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		path[0] = '\0';
		if (sscanf(line, "%*x-%*x %7s %*x %*s %*u %255s", permissions, path) >= 1)
			guests = is_guests(permissions, path);
		/* Huge pages have lines of their own. */
		else if (sscanf(line, "Rss: %" SCNu64, &kilobytes) == 1 ||
			 sscanf(line, "Shared_Hugetlb: %" SCNu64, &kilobytes) == 1 ||
			 sscanf(line, "Private_Hugetlb: %" SCNu64, &kilobytes) == 1)
			*(guests ? &r.guests : &r.own) += kilobytes * 1024;
	}
	if (f != NULL)
		fclose(f);
	return r;
}

static void
add_chunk(struct rte_mempool *pool, void *sum, struct rte_mempool_memhdr *chunk, unsigned int i)
{
	(void)pool;
	(void)i;
	*(uint64_t *)sum += chunk->len;
}

/* More than its buffers: none of them may straddle two pages. */
static uint64_t
pool_bytes(struct rte_mempool *pool)
{
	uint64_t sum = 0;

	rte_mempool_mem_iter(pool, add_chunk, &sum);
	return sum;
}

static void
add_pool(json_t *array, struct rte_mempool *pool, int node, const char *what, const char *name)
{
	char frames[64];

	if (pool == NULL)
		return;
	snprintf(frames, sizeof(frames), "%s%s%s", what, name[0] != '\0' ? " " : "", name);
	json_array_append_new(
		array,
		json_pack("{s:s, s:s, s:o, s:I, s:I, s:I}", "name", pool->name, "frames", frames,
			  "node", node == POOL_ANY_NODE ? json_string("any") : json_integer(node),
			  "buffers", (json_int_t)pool->size, "in_use",
			  (json_int_t)rte_mempool_in_use_count(pool), "bytes",
			  (json_int_t)pool_bytes(pool)));
}

static json_t *
json_pools(const struct daemon *d)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < d->pools.plan.n; i++)
		add_pool(array, d->pools.now[i], d->pools.plan.pools[i].node, "from guests", "");
	add_pool(array, d->segment_pools.direct, POOL_ANY_NODE, "segments of large", "");
	add_pool(array, d->segment_pools.indirect, POOL_ANY_NODE, "references into large", "");
	for (uint32_t i = 0; i < MAX_UPLINKS; i++)
		if (d->uplinks[i] != NULL)
			add_pool(array, d->uplinks[i]->nic.pool, d->uplinks[i]->nic.socket_id,
				 "from uplink", d->uplinks[i]->settings.name);
	for (uint32_t i = 0; i < MAX_PORTS; i++)
		if (d->ports[i] != NULL && !port_is_vhost(d->ports[i]))
			add_pool(array, d->ports[i]->nic.pool, d->ports[i]->nic.socket_id,
				 "from port", d->ports[i]->settings.name);
	for (const struct retired_pool *r = d->retired; r != NULL; r = r->next)
		add_pool(array, r->pool, POOL_ANY_NODE, "of what is gone", "");
	return array;
}

json_t *
show_memory(const struct daemon *d)
{
	struct rte_malloc_socket_stats stats;
	struct resident resident = count_resident();
	uint64_t heap = 0, used = 0;

	for (int node = 0; node < RTE_MAX_NUMA_NODES; node++) {
		if (rte_malloc_get_socket_stats(node, &stats) != 0)
			continue;
		heap += stats.heap_totalsz_bytes;
		used += stats.heap_allocsz_bytes;
	}
	return json_pack("{s:b, s:I, s:I, s:I, s:I, s:o}", "hugepages", d->hugepages, "own_bytes",
			 (json_int_t)resident.own, "guests_bytes", (json_int_t)resident.guests,
			 "heap_bytes", (json_int_t)heap, "heap_used_bytes", (json_int_t)used,
			 "pools", json_pools(d));
}
