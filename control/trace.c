/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Explains a frame's fate with the workers' own forwarding function and view. Called by commands.c
 * on the control thread.
 */
#include "control/trace.h"

#include <errno.h>
#include <rte_ether.h>
#include <string.h>

#include "config/keys.h"
#include "control/rpc_params.h"
#include "dataplane/forward.h"

#define DEFAULT_TYPE RTE_ETHER_TYPE_IPV4
#define VLAN_ID_MAX 4095

/* Only the first 14 bytes decide; a VLAN tag shows in the EtherType. */
static int
make_header(const json_t *params, struct rte_ether_hdr *hdr, struct errmsg *e)
{
	static const char *const names[] = {"dst", "src"};
	uint8_t *const fields[] = {hdr->dst_addr.addr_bytes, hdr->src_addr.addr_bytes};
	uint32_t type = DEFAULT_TYPE, vlan;
	int err;

	for (int i = 0; i < 2; i++) {
		const char *text = rpc_param_string(params, names[i]);
		struct mac_addr mac;

		if (text == NULL || mac_parse(text, &mac) != 0)
			return err_set(e, -EINVAL,
				       "%s: '%s' is not accepted; a MAC address such as "
				       "52:54:00:00:00:01",
				       names[i], text != NULL ? text : "");
		memcpy(fields[i], mac.b, sizeof(mac.b));
	}
	err = rpc_param_number(params, "type", UINT16_MAX, &type, e);
	if (err != 0 && err != -ENOENT)
		return err;
	err = rpc_param_number(params, "vlan", VLAN_ID_MAX, &vlan, e);
	if (err != 0 && err != -ENOENT)
		return err;
	if (err == 0)
		type = RTE_ETHER_TYPE_VLAN;
	hdr->ether_type = rte_cpu_to_be_16((uint16_t)type);
	return 0;
}

static int
decide(const struct daemon *d, const char *from, const struct rte_ether_hdr *hdr,
       struct verdict *verdict, struct portset *receivers, struct errmsg *e)
{
	const struct view *v = dataplane_view(d->dp);
	const struct uplink *u = daemon_find_uplink(d, from);
	const struct port *p = daemon_find_port(d, from);

	if (p != NULL && !v->ports[p->index].up)
		return err_set(e, -ENOTCONN,
			       "from: port %s is down: without a running guest it sends nothing",
			       from);
	if (p != NULL)
		*verdict = forward_from_guest(v, p->index, hdr, receivers);
	else if (u != NULL)
		*verdict = forward_from_wire(v, u->index, hdr, receivers);
	else
		return err_set(e, -ENOENT, "from: there is no port or uplink '%s'", from);
	return 0;
}

static json_t *
json_receivers(const struct daemon *d, const struct verdict *verdict, struct portset receivers)
{
	json_t *names = json_array();

	if (verdict->action == FORWARD_PORT)
		json_array_append_new(names, json_string(d->ports[verdict->port]->settings.name));
	while (verdict->action == FORWARD_FLOOD && !portset_empty(&receivers))
		json_array_append_new(
			names, json_string(d->ports[portset_take(&receivers)]->settings.name));
	return names;
}

int
trace(const struct daemon *d, const json_t *params, json_t **result, struct errmsg *e)
{
	static const char *const actions[] = {
		[FORWARD_DROP] = "drop",
		[FORWARD_PORT] = "deliver",
		[FORWARD_WIRE] = "wire",
		[FORWARD_FLOOD] = "flood",
	};
	const char *from = rpc_param_string(params, "from");
	struct portset receivers;
	struct rte_ether_hdr hdr;
	struct verdict verdict = {0};
	int err = make_header(params, &hdr, e);

	if (err == 0)
		err = decide(d, from, &hdr, &verdict, &receivers, e);
	if (err != 0)
		return err;
	*result = json_pack("{s:s, s:s, s:o, s:b}", "verdict", actions[verdict.action], "rule",
			    forward_rule_text(verdict.rule), "receivers",
			    json_receivers(d, &verdict, receivers), "wire",
			    verdict.action == FORWARD_WIRE || verdict.to_wire);
	if (verdict.action == FORWARD_DROP) {
		json_object_set_new(*result, "reason",
				    json_string(drop_reason_name(verdict.reason)));
		json_object_set_new(*result, "reason_text",
				    json_string(drop_reason_text(verdict.reason)));
	} else {
		json_object_set_new(*result, "reason", json_null());
	}
	return 0;
}
