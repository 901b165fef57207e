/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * macvswitchd: an init ladder with reverse cleanup, and the event loop between them. The main lcore
 * is the control thread.
 */
#include <bsd/libutil.h>
#include <bsd/string.h>
#include <errno.h>
#include <event2/event.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "control/commands.h"
#include "control/guest.h"
#include "control/log.h"
#include "control/machine.h"
#include "control/offloads.h"
#include "control/options.h"
#include "control/port.h"
#include "control/publish.h"
#include "control/reload.h"
#include "control/rpc_server.h"
#include "control/socket_file.h"
#include "control/uplink.h"
#include "control/uplink_events.h"

#define FOLLOW_PERIOD_US 100000 /* how often link states are looked at */
#define SAMPLE_EVERY 10         /* of those periods: a second, for `worker show` */

static const int signals[] = {SIGTERM, SIGINT, SIGHUP};

struct timers {
	struct daemon *daemon;
	struct event *signal[RTE_DIM(signals)];
	struct event *follow;
	uint32_t ticks;
};

static void
on_signal(evutil_socket_t signo, short what, void *arg)
{
	struct daemon *d = arg;
	json_t *report = NULL;
	struct errmsg e;

	(void)what;
	if (signo != SIGHUP) {
		log_notice("signal %d: stopping", (int)signo);
		event_base_loopexit(d->base, NULL);
		return;
	}
	if (config_reload(d, &report, &e) != 0)
		log_error("reload: %s; nothing was changed", e.text);
	json_decref(report);
}

static void
on_follow(evutil_socket_t fd, short what, void *arg)
{
	struct timers *t = arg;
	struct daemon *d = t->daemon;

	(void)fd;
	(void)what;
	uplinks_follow(d);
	daemon_free_retired(d);
	if (t->ticks++ % SAMPLE_EVERY != 0)
		return;
	workers_tick(d);
}

static int
timers_start(struct timers *t, struct daemon *d)
{
	const struct timeval period = {.tv_usec = FOLLOW_PERIOD_US};

	t->daemon = d;
	for (size_t i = 0; i < RTE_DIM(signals); i++) {
		t->signal[i] = evsignal_new(d->base, signals[i], on_signal, d);
		if (t->signal[i] == NULL || event_add(t->signal[i], NULL) != 0)
			return -ENOMEM;
	}
	t->follow = event_new(d->base, -1, EV_PERSIST, on_follow, t);
	return t->follow == NULL || event_add(t->follow, &period) != 0 ? -ENOMEM : 0;
}

static void
timers_stop(struct timers *t)
{
	for (size_t i = 0; i < RTE_DIM(signals); i++)
		if (t->signal[i] != NULL)
			event_free(t->signal[i]);
	if (t->follow != NULL)
		event_free(t->follow);
}

static char **
build_eal_args(struct daemon *d, const char *program, const struct options *o, struct errmsg *e)
{
	struct eal_facts facts = {.program = program,
				  .extra = o->extra,
				  .free_hugepage_bytes = machine_free_hugepages(),
				  .cpus = d->workers.cpus,
				  .n_cpus = d->workers.n_cpus};

	return eal_args_build(&d->settings, &facts, &d->hugepages, e);
}

static int
start_eal(struct daemon *d, const char *program, const struct options *o, struct errmsg *e)
{
	char **args = build_eal_args(d, program, o, e);
	int argc = 0, err;

	if (args == NULL)
		return -EINVAL;
	while (args[argc] != NULL)
		argc++;
	/* rte_eal_init sets levels from its arguments afterwards, so a user's choice wins. */
	rte_log_set_level_pattern("lib.vhost*", RTE_LOG_WARNING);
	err = rte_eal_init(argc, args) < 0 ? -rte_errno : 0;
	if (err != 0)
		return err_set(e, err, "DPDK's EAL does not start: %s", rte_strerror(-err));
	log_notice("memory: %s", d->hugepages
					 ? "hugepages"
					 : "no hugepages (none free, or --no-huge was asked for)");
	/* args stay: the EAL may keep pointers into them. */
	return 0;
}

static int
start_dataplane(struct daemon *d, struct errmsg *e)
{
	struct dataplane_config config = {.may_sleep = d->settings.idle == IDLE_SLEEP,
					  .idle_after_us = d->settings.idle_after,
					  .idle_step_us = d->settings.idle_step,
					  .wake_fd = publish_wake_fd,
					  .wake_ctx = d};
	int err;

	err = offloads_pools_create(&d->segment_pools, e);
	if (err != 0)
		return err;
	config.pools = d->segment_pools;
	err = dataplane_create(&config, &d->dp, e);
	return err != 0 ? err : workers_start(d, e);
}

static void
remove_everything(struct daemon *d)
{
	for (uint32_t i = 0; i < MAX_PORTS; i++)
		if (d->ports[i] != NULL)
			port_del(d, d->ports[i]);
	for (uint32_t i = 0; i < MAX_UPLINKS; i++)
		if (d->uplinks[i] != NULL)
			uplink_del(d, d->uplinks[i], NULL);
}

/*
 * One daemon a control socket: the lock is held before any device is taken. The socket itself comes
 * last, so that whoever can connect finds everything in place.
 */
static int
lock(const struct daemon *d, struct pidfh **pidfile, struct errmsg *e)
{
	char path[SOCKET_PATH_SIZE + sizeof(".pid")];
	pid_t other = 0;

	if (socket_file_folder(d->settings.control, e) != 0)
		return -ENOENT;
	snprintf(path, sizeof(path), "%s.pid", d->settings.control);
	*pidfile = pidfile_open(path, 0644, &other);
	if (*pidfile == NULL && errno == EEXIST)
		return err_set(e, -EADDRINUSE,
			       "another macvswitchd (pid %d) has the control socket %s", (int)other,
			       d->settings.control);
	if (*pidfile == NULL)
		return err_set(e, -errno, "%s: %m", path);
	pidfile_write(*pidfile);
	return 0;
}

/* The ladder: each step is undone in reverse order, whatever failed. */
static int
run(struct daemon *d, const struct settings *s, const char *program, const struct options *o,
    struct errmsg *e)
{
	struct timers timers = {0};
	struct pidfh *pidfile;
	int err = lock(d, &pidfile, e);

	if (err != 0)
		return err;
	err = -ENOMEM;
	err_set(e, err, "out of memory");
	d->base = event_base_new();
	if (d->base == NULL)
		goto no_base;
	err = start_eal(d, program, o, e);
	if (err != 0)
		goto no_eal;
	err = vhost_mailbox_create(d->base, guest_on_event, d, &d->vhost);
	if (err != 0)
		goto no_vhost;
	err = qmp_monitors_create(d->base, NULL, &d->monitors);
	if (err == 0)
		err = start_dataplane(d, e);
	if (err != 0)
		goto no_dataplane;
	err = timers_start(&timers, d);
	if (err == 0)
		err = config_apply(d, s, NULL, e);
	if (err == 0)
		err = rpc_server_create(d->base, d->settings.control, d->settings.control_group,
					commands_dispatch, d, &d->rpc, e);
	if (err == 0) {
		log_notice("ready: control socket %s, %u workers", d->settings.control,
			   dataplane_workers(d->dp));
		event_base_dispatch(d->base);
	}
	remove_everything(d);
	rpc_server_destroy(d->rpc);
	timers_stop(&timers);
no_dataplane:
	dataplane_destroy(d->dp);
	daemon_free_retired(d);
	offloads_pools_free(&d->segment_pools);
	pools_free(d);
	qmp_monitors_destroy(d->monitors);
	vhost_mailbox_destroy(d->vhost);
no_vhost:
	rte_eal_cleanup();
no_eal:
	event_base_free(d->base);
no_base:
	pidfile_remove(pidfile);
	return err;
}

int
main(int argc, char **argv)
{
	struct daemon *d = calloc(1, sizeof(*d));
	struct settings s;
	struct options o;
	struct errmsg e;
	int status = options_parse(argc, argv, &o);
	int err;

	if (status >= 0 || d == NULL) {
		free(d);
		return status >= 0 ? status : EXIT_FAILURE;
	}
	err = config_load(o.config, &s, &e);
	if (err != 0)
		goto out;
	d->settings = s.daemon;
	workers_init(&d->workers);
	if (o.control != NULL)
		strlcpy(d->settings.control, o.control, sizeof(d->settings.control));
	if (realpath(o.config, d->config_path) == NULL)
		strlcpy(d->config_path, o.config, sizeof(d->config_path));
	if (o.check) {
		char **args = build_eal_args(d, argv[0], &o, &e);

		err = args == NULL ? -EINVAL : 0;
		eal_args_free(args);
		if (err == 0)
			printf("%s: good: %u uplinks, %u ports\n", o.config, s.n_uplinks,
			       s.n_ports);
	} else {
		err = run(d, &s, argv[0], &o, &e);
	}
	settings_free(&s);
out:
	if (err != 0)
		fprintf(stderr, "macvswitchd: %s\n", e.text);
	free(d);
	return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
