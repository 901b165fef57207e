/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * The devargs of a simulated NIC. A wrong key or value is refused: a test that misspells one would
 * otherwise test another NIC than it says.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_kvargs.h>
#include <rte_string_fns.h>

#include "tests/simnic/simnic.h"

enum kind { NUMBER, FLAG, PATH, MAC };

static const struct known {
	const char *key;
	enum kind kind;
	size_t offset;
	uint32_t preset, min, max;
} known[] = {
	{"queues", NUMBER, offsetof(struct simnic_args, queues), 8, 1, SIMNIC_QUEUES},
	{"macs", NUMBER, offsetof(struct simnic_args, macs), 16, 1, SIMNIC_MACS},
	{"mcs", NUMBER, offsetof(struct simnic_args, mcs), 32, 0, SIMNIC_MCS},
	{"flows", NUMBER, offsetof(struct simnic_args, flows), 0, 0, UINT16_MAX},
	{"promisc", FLAG, offsetof(struct simnic_args, promisc), 1, 0, 1},
	{"allmulti", FLAG, offsetof(struct simnic_args, allmulti), 1, 0, 1},
	{"count", FLAG, offsetof(struct simnic_args, count), 1, 0, 1},
	{"flow_bypass", FLAG, offsetof(struct simnic_args, flow_bypass), 1, 0, 1},
	{"flow_keep", FLAG, offsetof(struct simnic_args, flow_keep), 1, 0, 1},
	{"mac_multicast", FLAG, offsetof(struct simnic_args, mac_multicast), 0, 0, 1},
	{"offloads", FLAG, offsetof(struct simnic_args, offloads), 0, 0, 1},
	{"buffers", NUMBER, offsetof(struct simnic_args, buffers), 64, 1, UINT8_MAX},
	{"rss", FLAG, offsetof(struct simnic_args, rss), 1, 0, 1},
	{"mac", MAC, offsetof(struct simnic_args, mac), 0, 0, 0},
	{"wire", PATH, offsetof(struct simnic_args, wire), 0, 0, 0},
	{"peer", PATH, offsetof(struct simnic_args, peer), 0, 0, 0},
	{"ctl", PATH, offsetof(struct simnic_args, ctl), 0, 0, 0},
};

static void
store(const struct known *k, struct simnic_args *args, uint32_t number)
{
	void *to = (char *)args + k->offset;

	if (k->kind == NUMBER)
		memcpy(to, &number, sizeof(number));
	else if (k->kind == FLAG)
		*(bool *)to = number != 0;
}

static bool
parse_value(const struct known *k, const char *value, struct simnic_args *args)
{
	char *end, *path = (char *)args + k->offset;
	unsigned long number;

	switch (k->kind) {
	case MAC:
		return rte_ether_unformat_addr(value, &args->mac) == 0 &&
		       rte_is_valid_assigned_ether_addr(&args->mac);
	case PATH:
		if (strlen(value) >= sizeof(args->wire))
			return false;
		rte_strlcpy(path, value, sizeof(args->wire));
		return true;
	default:
		number = strtoul(value, &end, 10);
		if (*value == '\0' || *end != '\0' || number < k->min || number > k->max)
			return false;
		store(k, args, (uint32_t)number);
		return true;
	}
}

static int
take(const char *key, const char *value, void *opaque)
{
	for (size_t i = 0; i < RTE_DIM(known); i++) {
		if (strcmp(known[i].key, key) != 0)
			continue;
		if (value != NULL && parse_value(&known[i], value, opaque))
			return 0;
		if (known[i].kind <= FLAG)
			SIMNIC_LOG(ERR, "%s=%s: a number from %u to %u is wanted\n", key, value,
				   known[i].min, known[i].max);
		else
			SIMNIC_LOG(ERR, "%s=%s: no such address, or a path too long\n", key, value);
		return -EINVAL;
	}
	SIMNIC_LOG(ERR, "%s: no such key\n", key);
	return -EINVAL;
}

int
simnic_parse_args(struct simnic_args *args, const char *devargs)
{
	struct rte_kvargs *kvargs;
	int err;

	memset(args, 0, sizeof(*args));
	for (size_t i = 0; i < RTE_DIM(known); i++)
		store(&known[i], args, known[i].preset);
	rte_eth_random_addr(args->mac.addr_bytes);
	kvargs = rte_kvargs_parse(devargs == NULL ? "" : devargs, NULL);
	if (kvargs == NULL)
		return -EINVAL;
	err = rte_kvargs_process(kvargs, NULL, take, args);
	rte_kvargs_free(kvargs);
	if (err == 0 && (args->wire[0] == '\0') != (args->peer[0] == '\0')) {
		SIMNIC_LOG(ERR, "wire and peer: both or none\n");
		return -EINVAL;
	}
	return err == 0 ? 0 : -EINVAL;
}
