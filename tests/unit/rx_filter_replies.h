/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>

/*
 * The value of query-rx-filter's "return", as QEMU 7.2.22 and 10.0.2 gave it for a Linux guest.
 */

#define REPLY_NORMAL_AND(broadcast)                                                                \
	"[{\"promiscuous\": false, \"name\": \"net0\", \"main-mac\": \"52:54:00:00:00:0a\", "      \
	"\"unicast\": \"normal\", \"vlan\": \"none\", \"vlan-table\": [], \"unicast-table\": [], " \
	"\"multicast\": \"normal\", \"multicast-overflow\": false, \"unicast-overflow\": false, "  \
	"\"multicast-table\": [\"33:33:ff:00:00:0a\", \"01:00:5e:00:00:01\", "                     \
	"\"33:33:00:00:00:01\"], \"broadcast-allowed\": " broadcast "}]"
#define REPLY_NORMAL REPLY_NORMAL_AND("false")
#define REPLY_NORMAL_BROADCAST REPLY_NORMAL_AND("true")

/* Of net0 after a reset: promiscuous, and all 4,096 VLANs. To be freed. */
static __attribute__((unused)) char *
reply_after_reset(void)
{
	size_t size = 32768, used;
	char *text = malloc(size);
	int vlan;

	if (text == NULL)
		abort();
	used = (size_t)snprintf(
		text, size,
		"[{\"promiscuous\": true, \"name\": \"net0\", \"main-mac\": \"52:54:00:00:00:0a\", "
		"\"unicast\": \"normal\", \"vlan\": \"all\", \"vlan-table\": [");
	for (vlan = 4095; vlan >= 0; vlan--)
		used += (size_t)snprintf(text + used, size - used, "%d%s", vlan,
					 vlan > 0 ? ", " : "");
	snprintf(text + used, size - used,
		 "], \"unicast-table\": [], \"multicast\": \"normal\", \"multicast-overflow\": "
		 "false, \"unicast-overflow\": false, \"multicast-table\": [], "
		 "\"broadcast-allowed\": false}]");
	return text;
}
