/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * From QEMU's answer to query-rx-filter to a struct guest_filter: all of it, or nothing. Much of
 * what stands in the answer was written by the guest, so each member is checked, and none is quoted
 * in an error text. Called by control/qmp_device.c for each answer, on the control thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/keys.h"
#include "control/guest_filter.h"

/* The three words that QEMU has for the handling of unicast, multicast and VLANs. */
enum rx_mode { RX_NONE, RX_NORMAL, RX_ALL };

static int
read_bool(const json_t *info, const char *key, bool *value, struct errmsg *e)
{
	const json_t *v = json_object_get(info, key);

	if (!json_is_boolean(v))
		return err_set(e, -EINVAL, "query-rx-filter: %s is missing or not true or false",
			       key);
	*value = json_is_true(v);
	return 0;
}

static int
read_mode(const json_t *info, const char *key, enum rx_mode *mode, struct errmsg *e)
{
	const char *word = json_string_value(json_object_get(info, key));

	if (word != NULL && strcmp(word, "none") == 0)
		*mode = RX_NONE;
	else if (word != NULL && strcmp(word, "normal") == 0)
		*mode = RX_NORMAL;
	else if (word != NULL && strcmp(word, "all") == 0)
		*mode = RX_ALL;
	else
		return err_set(e, -EINVAL,
			       "query-rx-filter: %s is missing or not none, normal or all", key);
	return 0;
}

static int
compare_macs(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct mac_addr));
}

/* Sorts, and leaves each address once; the slots that come free are zeroed. */
static uint32_t
tidy_macs(struct mac_addr *macs, uint32_t n)
{
	uint32_t i, kept = 0;

	qsort(macs, n, sizeof(*macs), compare_macs);
	for (i = 0; i < n; i++)
		if (kept == 0 || compare_macs(&macs[kept - 1], &macs[i]) != 0)
			macs[kept++] = macs[i];
	memset(&macs[kept], 0, (n - kept) * sizeof(*macs));
	return kept;
}

/* A table of addresses that are all multicast, or all unicast and usable as an owner's address. */
static int
read_macs(const json_t *info, const char *key, bool multicast, struct mac_addr *macs, uint32_t *n,
	  struct errmsg *e)
{
	const json_t *table = json_object_get(info, key), *entry;
	size_t i;

	if (!json_is_array(table))
		return err_set(e, -EINVAL, "query-rx-filter: %s is missing or not a list", key);
	if (json_array_size(table) > GUEST_FILTER_ADDRESSES)
		return err_set(e, -EINVAL, "query-rx-filter: %s has %zu entries; at most %d", key,
			       json_array_size(table), GUEST_FILTER_ADDRESSES);
	json_array_foreach (table, i, entry) {
		const char *text = json_string_value(entry);

		if (text == NULL || mac_parse(text, &macs[i]) != 0)
			return err_set(e, -EINVAL, "query-rx-filter: %s: entry %zu is not a MAC",
				       key, i);
		if (mac_is_multicast(&macs[i]) != multicast || mac_is_zero(&macs[i]))
			return err_set(e, -EINVAL, "query-rx-filter: %s: entry %zu is not a %s MAC",
				       key, i, multicast ? "multicast" : "unicast");
	}
	*n = tidy_macs(macs, (uint32_t)json_array_size(table));
	return 0;
}

static int
read_main_mac(const json_t *info, struct mac_addr *mac, struct errmsg *e)
{
	const char *text = json_string_value(json_object_get(info, "main-mac"));

	if (text == NULL || mac_parse(text, mac) != 0)
		return err_set(e, -EINVAL, "query-rx-filter: main-mac is missing or not a MAC");
	if (mac_is_multicast(mac) || mac_is_zero(mac))
		return err_set(e, -EINVAL, "query-rx-filter: main-mac is not a unicast MAC");
	return 0;
}

static int
read_vlans(const json_t *info, struct guest_filter *f, struct errmsg *e)
{
	const json_t *table = json_object_get(info, "vlan-table"), *entry;
	enum rx_mode mode = RX_NORMAL;
	int ret = read_mode(info, "vlan", &mode, e);
	size_t i;

	if (ret != 0)
		return ret;
	if (!json_is_array(table))
		return err_set(e, -EINVAL, "query-rx-filter: vlan-table is missing or not a list");
	if (json_array_size(table) > GUEST_FILTER_VLANS)
		return err_set(e, -EINVAL,
			       "query-rx-filter: vlan-table has %zu entries; at most %d",
			       json_array_size(table), GUEST_FILTER_VLANS);
	json_array_foreach (table, i, entry) {
		json_int_t vlan = json_integer_value(entry);

		if (!json_is_integer(entry) || vlan < 0 || vlan >= GUEST_FILTER_VLANS)
			return err_set(e, -EINVAL,
				       "query-rx-filter: vlan-table: entry %zu is not 0 to %d", i,
				       GUEST_FILTER_VLANS - 1);
		f->vlans[vlan / 64] |= UINT64_C(1) << (vlan % 64);
	}
	f->vlan_all = mode == RX_ALL;
	if (mode != RX_NORMAL)
		memset(f->vlans, 0, sizeof(f->vlans));
	return 0;
}

/* One kind of address: its mode, its table, and what both make of the filter's flags. */
static int
read_kind(const json_t *info, bool multicast, struct guest_filter *f, struct errmsg *e)
{
	const char *kind = multicast ? "multicast" : "unicast";
	const char *table = multicast ? "multicast-table" : "unicast-table";
	bool overflow = false;
	enum rx_mode mode = RX_NORMAL;
	int ret = read_mode(info, kind, &mode, e);

	if (ret == 0)
		ret = read_bool(info, multicast ? "multicast-overflow" : "unicast-overflow",
				&overflow, e);
	if (ret == 0)
		ret = read_macs(info, table, multicast, multicast ? f->multicast : f->unicast,
				multicast ? &f->n_multicast : &f->n_unicast, e);
	if (ret != 0)
		return ret;
	/* On overflow QEMU passes everything of this kind and its table is empty. */
	*(multicast ? &f->all_multicast : &f->all_unicast) = mode == RX_ALL || overflow;
	*(multicast ? &f->no_multicast : &f->no_unicast) = mode == RX_NONE;
	return 0;
}

static const json_t *
find_element(const json_t *value, const char *name)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (value, i, entry) {
		const char *its = json_string_value(json_object_get(entry, "name"));

		if (its != NULL && strcmp(its, name) == 0)
			return entry;
	}
	return json_array_size(value) == 1 ? json_array_get(value, 0) : NULL;
}

int
guest_filter_parse(const json_t *value, const char *name, struct guest_filter *filter,
		   struct errmsg *e)
{
	struct guest_filter f = {0};
	const json_t *info;
	int ret;

	if (!json_is_array(value) || json_array_size(value) == 0)
		return err_set(e, -EINVAL, "query-rx-filter: the answer is not a list of filters");
	info = find_element(value, name);
	if (info == NULL)
		return err_set(e, -ENOENT, "query-rx-filter: the answer has no filter of '%s'",
			       name);
	if (!json_is_object(info))
		return err_set(e, -EINVAL, "query-rx-filter: the filter is not an object");
	/*
	 * "broadcast-allowed" is not read: QEMU (7.2 and 10) gives its nobcast flag there without
	 * the negation, so it is false for every guest that wants broadcasts. Nobody sets the flag.
	 */
	ret = read_main_mac(info, &f.main, e);
	if (ret == 0)
		ret = read_bool(info, "promiscuous", &f.promisc, e);
	if (ret == 0)
		ret = read_kind(info, false, &f, e);
	if (ret == 0)
		ret = read_kind(info, true, &f, e);
	if (ret == 0)
		ret = read_vlans(info, &f, e);
	if (ret == 0)
		*filter = f;
	return ret;
}

bool
guest_filter_equal(const struct guest_filter *a, const struct guest_filter *b)
{
	return mac_to_u64(&a->main) == mac_to_u64(&b->main) && a->promisc == b->promisc &&
	       a->all_unicast == b->all_unicast && a->all_multicast == b->all_multicast &&
	       a->no_unicast == b->no_unicast && a->no_multicast == b->no_multicast &&
	       a->vlan_all == b->vlan_all && a->n_unicast == b->n_unicast &&
	       a->n_multicast == b->n_multicast &&
	       memcmp(a->unicast, b->unicast, a->n_unicast * sizeof(a->unicast[0])) == 0 &&
	       memcmp(a->multicast, b->multicast, a->n_multicast * sizeof(a->multicast[0])) == 0 &&
	       memcmp(a->vlans, b->vlans, sizeof(a->vlans)) == 0;
}
