/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * What an address lookup costs: the view's table against rte_hash with the same keys, one by one
 * and in bulk. Started by hand; prints TSC cycles a lookup, the least of several rounds, because
 * this is a program among others on its machine.
 */
#include <inttypes.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_random.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/view.h"

#define LOOKUPS 65536
#define ROUNDS 40
#define BULK 32

static uint64_t keys[LOOKUPS];
static volatile uint64_t sink;

static uint64_t
time_view(const struct view *v)
{
	uint64_t start = rte_rdtsc(), sum = 0;

	for (uint32_t i = 0; i < LOOKUPS; i++)
		sum += view_owner(v, 0, keys[i]);
	sink = sum;
	return rte_rdtsc() - start;
}

static uint64_t
time_hash(const struct rte_hash *h)
{
	uint64_t start = rte_rdtsc(), sum = 0;

	for (uint32_t i = 0; i < LOOKUPS; i++)
		sum += (uint64_t)rte_hash_lookup(h, &keys[i]);
	sink = sum;
	return rte_rdtsc() - start;
}

static uint64_t
time_hash_bulk(const struct rte_hash *h)
{
	uint64_t start, sum = 0;
	const void *refs[BULK];
	int32_t found[BULK];

	start = rte_rdtsc();
	for (uint32_t i = 0; i < LOOKUPS; i += BULK) {
		for (uint32_t k = 0; k < BULK; k++)
			refs[k] = &keys[i + k];
		rte_hash_lookup_bulk(h, refs, BULK, found);
		sum += (uint64_t)found[0];
	}
	sink = sum;
	return rte_rdtsc() - start;
}

static struct view *
make_view(const uint64_t *macs, uint32_t n)
{
	struct view_spec *spec = calloc(1, sizeof(*spec));
	struct view_spec_address *addresses = calloc(n, sizeof(*addresses));
	struct view *v = NULL;

	for (uint16_t p = 0; p < MAX_PORTS; p++)
		spec->ports[p] = (struct view_port){.up = true, .mode = MODE_BRIDGE};
	for (uint32_t i = 0; i < n; i++)
		addresses[i] = (struct view_spec_address){macs[i], (uint16_t)(i % MAX_PORTS)};
	spec->addresses = addresses;
	spec->n_addresses = n;
	if (view_build(spec, &v) != 0)
		abort();
	free(addresses);
	free(spec);
	return v;
}

static struct rte_hash *
make_hash(const uint64_t *macs, uint32_t n)
{
	const struct rte_hash_parameters params = {
		.name = "bench", .entries = n * 2 + 8, .key_len = 8, .hash_func = rte_hash_crc};
	struct rte_hash *h = rte_hash_create(&params);

	for (uint32_t i = 0; h != NULL && i < n; i++)
		rte_hash_add_key(h, &macs[i]);
	return h;
}

static void
measure(uint32_t n)
{
	uint64_t *macs = calloc(n, sizeof(*macs));
	uint64_t best[3] = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
	struct rte_hash *h;
	struct view *v;

	for (uint32_t i = 0; i < n; i++)
		macs[i] = UINT64_C(0x020000000000) | (rte_rand() & 0xffffffff);
	for (uint32_t i = 0; i < LOOKUPS; i++)
		keys[i] = macs[rte_rand_max(n)];
	v = make_view(macs, n);
	h = make_hash(macs, n);
	if (h == NULL)
		exit(EXIT_FAILURE);
	for (int r = 0; r < ROUNDS; r++) {
		best[0] = RTE_MIN(best[0], time_view(v));
		best[1] = RTE_MIN(best[1], time_hash(h));
		best[2] = RTE_MIN(best[2], time_hash_bulk(h));
	}
	printf("%5" PRIu32 " addresses: view %.1f, rte_hash %.1f, rte_hash bulk %.1f cycles\n", n,
	       (double)best[0] / LOOKUPS, (double)best[1] / LOOKUPS, (double)best[2] / LOOKUPS);
	rte_hash_free(h);
	view_free(v);
	free(macs);
}

int
main(int argc, char **argv)
{
	char *eal[] = {argv[0],         "--no-huge",      "-m", "64", "--no-shconf", "--no-pci",
		       "--log-level=3", "--no-telemetry", NULL};

	(void)argc;
	if (rte_eal_init((int)RTE_DIM(eal) - 1, eal) < 0)
		return EXIT_FAILURE;
	measure(2);
	measure(64);
	measure(250);
	measure(4096);
	rte_eal_cleanup();
	return EXIT_SUCCESS;
}
