/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Applies a configuration as a difference, all or nothing, and writes the running one back. Called
 * on the control thread at start, by SIGHUP, and by `macvctl config`.
 */
#include "control/reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/keys.h"
#include "control/log.h"
#include "control/port.h"
#include "control/uplink.h"

enum change { UNCHANGED, CHANGED, RECREATED };

/* How far two objects of a section differ, key by key. */
static enum change
compare(enum section section, const void *a, const void *b)
{
	enum change change = UNCHANGED;
	char *va = malloc(2 * TEXT_SIZE), *vb = malloc(2 * TEXT_SIZE);

	for (const struct key *k = section_keys(section);
	     va != NULL && vb != NULL && k->name != NULL; k++) {
		key_get(k, a, va, 2 * TEXT_SIZE);
		key_get(k, b, vb, 2 * TEXT_SIZE);
		if (strcmp(va, vb) == 0)
			continue;
		if (k->when == KEY_ADD_ONLY) {
			change = RECREATED;
			break;
		}
		change = CHANGED;
	}
	free(va);
	free(vb);
	return change;
}

/* As in the file, but with what was generated filled in, so that it does not count as a change. */
static struct port_settings
as_running(const struct daemon *d, const struct port_settings *wanted)
{
	const struct port *p = daemon_find_port(d, wanted->name);
	struct port_settings s = *wanted;

	if (p != NULL && mac_is_zero(&s.mac))
		s.mac = p->settings.mac;
	return s;
}

static enum change
port_change(const struct daemon *d, const struct port *p, const struct settings *s)
{
	const struct port_settings *wanted = settings_find_port(s, p->settings.name);
	enum change change;
	struct port_settings full;

	if (wanted == NULL)
		return RECREATED;
	full = as_running(d, wanted);
	change = compare(SECTION_PORT, &p->settings, &full);
	/* Passthru is not left or entered while a port runs. */
	if (change == CHANGED && p->settings.mode != full.mode &&
	    (p->settings.mode == MODE_PASSTHRU || full.mode == MODE_PASSTHRU))
		change = RECREATED;
	return change;
}

static enum change
uplink_change(const struct uplink *u, const struct settings *s)
{
	const struct uplink_settings *wanted = settings_find_uplink(s, u->settings.name);

	return wanted == NULL ? RECREATED : compare(SECTION_UPLINK, &u->settings, wanted);
}

static void
report_add(json_t *report, const char *list, const char *kind, const char *name)
{
	if (report != NULL)
		json_array_append_new(json_object_get(report, list),
				      json_sprintf("%s %s", kind, name));
}

/* What is in the way of additions as long as it stands: objects that go or change. */
static int
collect_leaving(const struct daemon *d, const struct settings *s, struct settings *leaving)
{
	int err = 0;

	settings_init(leaving);
	leaving->daemon = d->settings;
	for (uint32_t i = 0; i < MAX_UPLINKS && err == 0; i++)
		if (d->uplinks[i] != NULL && uplink_change(d->uplinks[i], s) == RECREATED)
			err = settings_add_uplink(leaving, &d->uplinks[i]->settings, NULL);
	for (uint32_t i = 0; i < MAX_PORTS && err == 0; i++)
		if (d->ports[i] != NULL && (uplink_change(d->ports[i]->uplink, s) == RECREATED ||
					    port_change(d, d->ports[i], s) != UNCHANGED))
			err = settings_add_port(leaving, &d->ports[i]->settings, NULL);
	return err;
}

static int
add_uplinks(struct daemon *d, const struct settings *s, const struct settings *leaving,
	    json_t *report, struct errmsg *e)
{
	int err = 0;

	for (uint32_t i = 0; i < s->n_uplinks && err == 0; i++) {
		const struct uplink_settings *wanted = &s->uplinks[i];

		if (daemon_find_uplink(d, wanted->name) != NULL ||
		    uplink_settings_check(leaving, wanted, NULL) != 0)
			continue;
		err = uplink_add(d, wanted, e);
		report_add(report, "added", "uplink", wanted->name);
	}
	return err;
}

/* Does what is leaving stand in the port's way: its uplink, an address, a socket, passthru? */
static bool
blocked(const struct daemon *d, struct settings *leaving, const struct port_settings *wanted)
{
	const struct uplink *u = daemon_find_uplink(d, wanted->uplink);
	uint32_t n = leaving->n_uplinks;
	bool blocked;

	if (u == NULL || settings_find_uplink(leaving, wanted->uplink) != NULL)
		return true;
	/* The check wants to find the port's uplink among the settings. */
	if (settings_add_uplink(leaving, &u->settings, NULL) != 0)
		return true;
	blocked = port_settings_check(leaving, wanted, NULL) != 0;
	leaving->n_uplinks = n;
	return blocked;
}

static int
add_ports(struct daemon *d, const struct settings *s, struct settings *leaving, json_t *report,
	  struct errmsg *e)
{
	int err = 0;

	for (uint32_t i = 0; i < s->n_ports && err == 0; i++) {
		const struct port_settings *wanted = &s->ports[i];

		if (daemon_find_port(d, wanted->name) != NULL || blocked(d, leaving, wanted))
			continue;
		err = port_add(d, wanted, e);
		report_add(report, "added", "port", wanted->name);
	}
	return err;
}

/* New uplinks and ports; what leaving is in the way of is left for the second time. */
static int
add_new(struct daemon *d, const struct settings *s, struct settings *leaving, json_t *report,
	struct errmsg *e)
{
	int err = add_uplinks(d, s, leaving, report, e);

	return err != 0 ? err : add_ports(d, s, leaving, report, e);
}

static int
change_uplinks(struct daemon *d, const struct settings *s, json_t *report, struct errmsg *e)
{
	int err = 0;

	for (uint32_t i = 0; i < MAX_UPLINKS && err == 0; i++) {
		struct uplink *u = d->uplinks[i];

		if (u == NULL || uplink_change(u, s) != CHANGED)
			continue;
		err = uplink_set(d, u, settings_find_uplink(s, u->settings.name), e);
		report_add(report, "changed", "uplink", u->settings.name);
	}
	return err;
}

/* Ports go first, then the uplinks that nobody needs any more or that change their nature. */
static int
remove_old(struct daemon *d, const struct settings *s, json_t *report, struct errmsg *e)
{
	int err = 0;

	for (uint32_t i = 0; i < MAX_PORTS; i++) {
		struct port *p = d->ports[i];

		if (p == NULL ||
		    (port_change(d, p, s) != RECREATED && uplink_change(p->uplink, s) != RECREATED))
			continue;
		if (settings_find_port(s, p->settings.name) == NULL)
			report_add(report, "removed", "port", p->settings.name);
		port_del(d, p);
	}
	for (uint32_t i = 0; i < MAX_UPLINKS && err == 0; i++) {
		struct uplink *u = d->uplinks[i];

		if (u == NULL || uplink_change(u, s) != RECREATED)
			continue;
		if (settings_find_uplink(s, u->settings.name) == NULL)
			report_add(report, "removed", "uplink", u->settings.name);
		err = uplink_del(d, u, e);
	}
	return err;
}

/* All ports that change, at once: two of them may swap their addresses. */
static int
change_ports(struct daemon *d, const struct settings *s, json_t *report, struct errmsg *e)
{
	struct port_change *changes = calloc(MAX_PORTS, sizeof(*changes));
	uint32_t n = 0;
	int err;

	if (changes == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < MAX_PORTS; i++) {
		struct port *p = d->ports[i];

		if (p == NULL || port_change(d, p, s) != CHANGED)
			continue;
		changes[n].port = p;
		changes[n++].wanted = as_running(d, settings_find_port(s, p->settings.name));
		report_add(report, "changed", "port", p->settings.name);
	}
	err = port_set_many(d, changes, n, e);
	free(changes);
	return err;
}

/* Is the [daemon] key that can change while frames flow as in s? */
static bool
same_workers(const struct daemon_settings *a, const struct daemon_settings *b)
{
	return a->workers == b->workers && a->rebalance == b->rebalance &&
	       strcmp(a->worker_cpus, b->worker_cpus) == 0;
}

/*
 * Workers as s says if they are to be so many, else nothing. More of them come before the objects
 * that may name them, fewer only after the objects that no longer do.
 */
static int
change_workers(struct daemon *d, const struct settings *s, uint32_t n, json_t *report,
	       struct errmsg *e)
{
	int err;

	if (s->daemon.workers != n || same_workers(&d->settings, &s->daemon))
		return 0;
	err = workers_set(d, &s->daemon, e);
	report_add(report, "changed", "daemon", "workers");
	return err;
}

/*
 * What may fail comes before what a guest would notice: an uplink or port that does not open is
 * found out while nothing has gone yet. Only what needs the place of something that leaves comes
 * after it.
 */
static int
apply_steps(struct daemon *d, const struct settings *s, json_t *report, struct errmsg *e)
{
	struct settings leaving, none;
	int err = collect_leaving(d, s, &leaving);

	if (err != 0)
		err_set(e, err, "out of memory");
	settings_init(&none);
	if (err == 0)
		err = change_workers(d, s, RTE_MAX(s->daemon.workers, d->workers.n), report, e);
	none.daemon = leaving.daemon = d->settings;
	if (err == 0)
		err = add_new(d, s, &leaving, report, e);
	if (err == 0)
		err = change_uplinks(d, s, report, e);
	if (err == 0)
		err = remove_old(d, s, report, e);
	if (err == 0)
		err = change_ports(d, s, report, e);
	if (err == 0)
		err = add_new(d, s, &none, report, e);
	if (err == 0)
		err = change_workers(d, s, s->daemon.workers, report, e);
	settings_free(&leaving);
	settings_free(&none);
	return err;
}

int
config_apply(struct daemon *d, const struct settings *s, json_t *report, struct errmsg *e)
{
	struct errmsg undo_error;
	struct settings before;
	int err = daemon_snapshot(d, &before);

	if (err != 0)
		return err_set(e, err, "out of memory");
	err = apply_steps(d, s, report, e);
	if (err != 0 && apply_steps(d, &before, NULL, &undo_error) != 0)
		log_error("the former configuration could not be restored: %s", undo_error.text);
	settings_free(&before);
	return err;
}

/* Most daemon keys need a restart: said, not ignored. */
static void
note_daemon_keys(const struct daemon *d, const struct settings *s, json_t *notes)
{
	char *old = malloc(2 * TEXT_SIZE), *new = malloc(2 * TEXT_SIZE);

	for (const struct key *k = section_keys(SECTION_DAEMON);
	     old != NULL && new != NULL && k->name != NULL; k++) {
		if (k->when == KEY_ANY_TIME)
			continue;
		key_get(k, &d->settings, old, 2 * TEXT_SIZE);
		key_get(k, &s->daemon, new, 2 * TEXT_SIZE);
		if (strcmp(old, new) != 0)
			json_array_append_new(
				notes,
				json_sprintf("[daemon] %s changed: takes a restart", k->name));
	}
	free(old);
	free(new);
}

int
config_reload(struct daemon *d, json_t **result, struct errmsg *e)
{
	json_t *report;
	struct settings s;
	int err = config_load(d->config_path, &s, e);

	if (err != 0)
		return err;
	report = json_pack("{s:[], s:[], s:[], s:[]}", "added", "changed", "removed", "notes");
	note_daemon_keys(d, &s, json_object_get(report, "notes"));
	err = config_apply(d, &s, report, e);
	settings_free(&s);
	if (err != 0) {
		json_decref(report);
		return err;
	}
	log_notice("configuration reloaded from %s", d->config_path);
	daemon_event(d, "config.reloaded", d->config_path, json_incref(report));
	*result = report;
	return 0;
}

int
config_write(const struct daemon *d, const char *path, struct errmsg *e)
{
	struct settings s;
	int err = daemon_snapshot(d, &s);

	if (err != 0)
		return err_set(e, err, "out of memory");
	err = config_save(path, &s, e);
	settings_free(&s);
	return err;
}

int
config_text(const struct daemon *d, json_t **result, struct errmsg *e)
{
	struct settings s;
	char *text = NULL;
	size_t size = 0;
	FILE *f;
	int err = daemon_snapshot(d, &s);

	if (err != 0)
		return err_set(e, err, "out of memory");
	f = open_memstream(&text, &size);
	err = f == NULL ? err_set(e, -ENOMEM, "out of memory") : config_print(f, &s, e);
	if (f != NULL)
		fclose(f);
	if (err == 0)
		*result = json_pack("{s:s, s:s}", "text", text, "file", d->config_path);
	free(text);
	settings_free(&s);
	return err;
}
