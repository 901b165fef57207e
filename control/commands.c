/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * What each command does: parameters to settings by the key table, then the call that does it.
 * Called by the RPC server on the control thread, with parameters already checked against the
 * command table.
 */
#include "control/commands.h"

#include <errno.h>
#include <event2/event.h>
#include <rte_version.h>
#include <stdlib.h>
#include <string.h>

#include "config/keys.h"
#include "control/port.h"
#include "control/reload.h"
#include "control/rpc_params.h"
#include "control/show.h"
#include "control/trace.h"
#include "control/uplink.h"

typedef int (*handler_fn)(struct daemon *d, const json_t *params, json_t **result,
			  struct errmsg *e);

static int
find_uplink(const struct daemon *d, const json_t *params, struct uplink **u, struct errmsg *e)
{
	const char *name = rpc_param_string(params, "name");

	*u = daemon_find_uplink(d, name);
	return *u != NULL ? 0 : err_set(e, -ENOENT, "there is no uplink '%s'", name);
}

static int
find_port(const struct daemon *d, const json_t *params, const char *param, struct port **p,
	  struct errmsg *e)
{
	const char *name = rpc_param_string(params, param);

	*p = daemon_find_port(d, name);
	return *p != NULL ? 0 : err_set(e, -ENOENT, "there is no port '%s'", name);
}

/* Puts "port vm1: " before the text of a key's error, which does not name its object. */
static int
with_object(struct errmsg *e, int err, const char *what, const char *name)
{
	struct errmsg inner = *e;

	return err_set(e, err, "%s %s: %s", what, name, inner.text);
}

static int
uplink_add_cmd(struct daemon *d, const json_t *params, json_t **result, struct errmsg *e)
{
	const char *name = rpc_param_string(params, "name");
	struct uplink_settings s;
	int err = name_check("uplink", name, e);

	if (err != 0)
		return err;
	uplink_defaults(&s, name);
	err = rpc_params_apply(SECTION_UPLINK, params, false, &s, e);
	if (err != 0)
		return with_object(e, err, "uplink", name);
	err = uplink_add(d, &s, e);
	if (err == 0)
		*result = show_uplink(d, daemon_find_uplink(d, name));
	return err;
}

static int
uplink_set_cmd(struct daemon *d, const json_t *params, json_t **result, struct errmsg *e)
{
	struct uplink_settings s;
	struct uplink *u;
	int err = find_uplink(d, params, &u, e);

	if (err != 0)
		return err;
	s = u->settings;
	err = rpc_params_apply(SECTION_UPLINK, params, true, &s, e);
	if (err != 0)
		return with_object(e, err, "uplink", u->settings.name);
	err = uplink_set(d, u, &s, e);
	if (err == 0)
		*result = show_uplink(d, u);
	return err;
}

static int
uplink_del_cmd(struct daemon *d, const json_t *params, json_t **result, struct errmsg *e)
{
	struct uplink *u;
	int err = find_uplink(d, params, &u, e);

	(void)result;
	return err != 0 ? err : uplink_del(d, u, e);
}

static int
uplink_show_cmd(struct daemon *d, const json_t *params, json_t **result, struct errmsg *e)
{
	struct uplink *only = NULL;
	int err = 0;

	if (rpc_param_string(params, "name") != NULL)
		err = find_uplink(d, params, &only, e);
	if (err != 0)
		return err;
	*result = json_array();
	for (uint32_t i = 0; i < MAX_UPLINKS; i++)
		if (d->uplinks[i] != NULL && (only == NULL || only == d->uplinks[i]))
			json_array_append_new(*result, show_uplink(d, d->uplinks[i]));
	return 0;
}

static int
port_add_cmd(struct daemon *d, const json_t *params, json_t **result, struct errmsg *e)
{
	const char *name = rpc_param_string(params, "name");
	struct port_settings s;
	int err = name_check("port", name, e);

	if (err != 0)
		return err;
	port_defaults(&s, name);
	err = rpc_params_apply(SECTION_PORT, params, false, &s, e);
	if (err != 0)
		return with_object(e, err, "port", name);
	err = port_add(d, &s, e);
	if (err == 0)
		*result = show_port(d, daemon_find_port(d, name));
	return err;
}

static int
port_set_cmd(struct daemon *d, const json_t *params, json_t **result, struct errmsg *e)
{
	struct port_settings s;
	struct port *p;
	int err = find_port(d, params, "name", &p, e);

	if (err != 0)
		return err;
	s = p->settings;
	err = rpc_params_apply(SECTION_PORT, params, true, &s, e);
	if (err != 0)
		return with_object(e, err, "port", p->settings.name);
	err = port_set(d, p, &s, e);
	if (err == 0)
		*result = show_port(d, p);
	return err;
}

static int
port_del_cmd(struct daemon *d, const json_t *params, json_t **result, struct errmsg *e)
{
	struct port *p;
	int err = find_port(d, params, "name", &p, e);

	(void)result;
	if (err == 0)
		port_del(d, p);
	return err;
}

static int
port_show_cmd(struct daemon *d, const json_t *params, json_t **result, struct errmsg *e)
{
	struct port *only = NULL;
	int err = 0;

	if (rpc_param_string(params, "name") != NULL)
		err = find_port(d, params, "name", &only, e);
	if (err != 0)
		return err;
	*result = json_array();
	for (uint32_t i = 0; i < MAX_PORTS; i++)
		if (d->ports[i] != NULL && (only == NULL || only == d->ports[i]))
			json_array_append_new(*result, show_port(d, d->ports[i]));
	return 0;
}

/* The port and address of a maddr command, and where among the port's entries it is (n_maddr: not).
 */
static int
find_maddr(const struct daemon *d, const json_t *params, struct port **p, struct mac_addr *mac,
	   uint32_t *at, struct errmsg *e)
{
	const char *text = rpc_param_string(params, "address");
	int err = find_port(d, params, "port", p, e);

	if (err != 0)
		return err;
	if (mac_parse(text, mac) != 0 || mac_is_zero(mac))
		return err_set(e, -EINVAL,
			       "address: '%s' is not accepted; a MAC address such as "
			       "01:00:5e:01:02:03",
			       text);
	for (*at = 0; *at < (*p)->settings.n_maddr; (*at)++)
		if (memcmp(&(*p)->settings.maddr[*at], mac, sizeof(*mac)) == 0)
			break;
	return 0;
}

static int
maddr_add_cmd(struct daemon *d, const json_t *params, json_t **result, struct errmsg *e)
{
	struct port_settings s;
	struct mac_addr mac;
	struct port *p;
	uint32_t at;
	int err = find_maddr(d, params, &p, &mac, &at, e);

	(void)result;
	if (err != 0)
		return err;
	s = p->settings;
	if (at < s.n_maddr || memcmp(&s.mac, &mac, sizeof(mac)) == 0)
		return err_set(e, -EEXIST, "port %s has address %s already", s.name,
			       rpc_param_string(params, "address"));
	if (s.n_maddr == MAX_STATIC_ADDRESSES)
		return err_set(e, -ENOSPC, "port %s has %u addresses already, the most possible",
			       s.name, s.n_maddr);
	s.maddr[s.n_maddr++] = mac;
	return port_set(d, p, &s, e);
}

static int
maddr_del_cmd(struct daemon *d, const json_t *params, json_t **result, struct errmsg *e)
{
	struct port_settings s;
	struct mac_addr mac;
	struct port *p;
	uint32_t at;
	int err = find_maddr(d, params, &p, &mac, &at, e);

	(void)result;
	if (err != 0)
		return err;
	s = p->settings;
	if (at == s.n_maddr)
		return err_set(e, -ENOENT, "port %s has no static address %s", s.name,
			       rpc_param_string(params, "address"));
	s.n_maddr--;
	memmove(&s.maddr[at], &s.maddr[at + 1], (s.n_maddr - at) * sizeof(mac));
	return port_set(d, p, &s, e);
}

static int
maddr_show_cmd(struct daemon *d, const json_t *params, json_t **result, struct errmsg *e)
{
	struct port *only = NULL;
	int err = 0;

	if (rpc_param_string(params, "port") != NULL)
		err = find_port(d, params, "port", &only, e);
	if (err != 0)
		return err;
	*result = json_array();
	for (uint32_t i = 0; i < MAX_PORTS; i++)
		if (d->ports[i] != NULL && (only == NULL || only == d->ports[i]))
			show_maddr(d->ports[i], *result);
	return 0;
}

static int
fdb_show_cmd(struct daemon *d, const json_t *params, json_t **result, struct errmsg *e)
{
	(void)params;
	(void)e;
	*result = json_array();
	for (uint32_t i = 0; i < MAX_PORTS; i++)
		if (d->ports[i] != NULL)
			show_fdb(d->ports[i], *result);
	return 0;
}

static int
worker_show_cmd(struct daemon *d, const json_t *params, json_t **result, struct errmsg *e)
{
	(void)params;
	(void)e;
	*result = json_array();
	for (uint32_t w = 0; w < dataplane_workers(d->dp); w++)
		json_array_append_new(*result, show_worker(d, w));
	return 0;
}

static int
worker_set_cmd(struct daemon *d, const json_t *params, json_t **result, struct errmsg *e)
{
	struct daemon_settings s = d->settings;
	uint32_t cpus[MAX_WORKERS];
	int n, err = rpc_params_apply(SECTION_DAEMON, params, true, &s, e);

	if (err != 0)
		return err;
	/* As in the file: the number of CPUs is the number of workers. */
	n = cpu_list_parse(s.worker_cpus, cpus, MAX_WORKERS);
	if (n > 0 && json_object_get(params, "workers") == NULL)
		s.workers = (uint32_t)n;
	err = workers_set(d, &s, e);
	return err != 0 ? err : worker_show_cmd(d, params, result, e);
}

static int
memory_show_cmd(struct daemon *d, const json_t *params, json_t **result, struct errmsg *e)
{
	(void)params;
	(void)e;
	*result = show_memory(d);
	return 0;
}

static int
trace_cmd(struct daemon *d, const json_t *params, json_t **result, struct errmsg *e)
{
	return trace(d, params, result, e);
}

static int
config_show_cmd(struct daemon *d, const json_t *params, json_t **result, struct errmsg *e)
{
	(void)params;
	return config_text(d, result, e);
}

static int
config_save_cmd(struct daemon *d, const json_t *params, json_t **result, struct errmsg *e)
{
	const char *file = rpc_param_string(params, "file");
	int err;

	if (file == NULL)
		file = d->config_path;
	if (file[0] != '/')
		return err_set(e, -EINVAL, "file: '%s' is not accepted; an absolute path", file);
	err = config_write(d, file, e);
	if (err == 0)
		*result = json_pack("{s:s}", "file", file);
	return err;
}

static int
config_reload_cmd(struct daemon *d, const json_t *params, json_t **result, struct errmsg *e)
{
	(void)params;
	return config_reload(d, result, e);
}

static int
version_cmd(struct daemon *d, const json_t *params, json_t **result, struct errmsg *e)
{
	(void)params;
	(void)e;
	*result = json_pack("{s:s, s:s, s:s}", "version", MACVSWITCH_VERSION, "dpdk", rte_version(),
			    "memory", d->hugepages ? "hugepages" : "no hugepages");
	return 0;
}

static int
shutdown_cmd(struct daemon *d, const json_t *params, json_t **result, struct errmsg *e)
{
	(void)params;
	(void)result;
	(void)e;
	/* The answer goes out while the server is destroyed. */
	event_base_loopexit(d->base, NULL);
	return 0;
}

static const struct {
	const char *method;
	handler_fn handler;
} handlers[] = {
	{"uplink.add", uplink_add_cmd},       {"uplink.set", uplink_set_cmd},
	{"uplink.del", uplink_del_cmd},       {"uplink.show", uplink_show_cmd},
	{"port.add", port_add_cmd},           {"port.set", port_set_cmd},
	{"port.del", port_del_cmd},           {"port.show", port_show_cmd},
	{"maddr.add", maddr_add_cmd},         {"maddr.del", maddr_del_cmd},
	{"maddr.show", maddr_show_cmd},       {"fdb.show", fdb_show_cmd},
	{"worker.show", worker_show_cmd},     {"worker.set", worker_set_cmd},
	{"memory.show", memory_show_cmd},     {"trace", trace_cmd},
	{"config.show", config_show_cmd},     {"config.save", config_save_cmd},
	{"config.reload", config_reload_cmd}, {"version", version_cmd},
	{"shutdown", shutdown_cmd},
};

static handler_fn
find_handler(const char *method)
{
	for (size_t i = 0; i < RTE_DIM(handlers); i++)
		if (strcmp(handlers[i].method, method) == 0)
			return handlers[i].handler;
	return NULL;
}

bool
commands_has(const char *method)
{
	return find_handler(method) != NULL;
}

int
commands_dispatch(void *ctx, const char *method, const json_t *params, json_t **result,
		  struct errmsg *e)
{
	handler_fn handler = find_handler(method);

	if (handler == NULL)
		return err_set(e, -ENOSYS, "method '%s' is not served", method);
	return handler(ctx, params, result, e);
}
