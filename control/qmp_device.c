/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * One NIC of a guest behind a monitor: when to ask for its receive filter, and the link that it
 * shall see. Owned by a port; driven by control/qmp.c's callbacks on the control thread. Asking is
 * all: what an answer means for the port is for the port to decide.
 */
#include <bsd/string.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "control/qmp_device.h"

#define RETRY_MS 5000

enum link { LINK_UNKNOWN, LINK_UP, LINK_DOWN };

struct qmp_device {
	struct qmp_device_owner owner;
	char id[64];
	struct qmp_user *user; /* NULL: no monitor is configured */
	struct event *retry;   /* after a failure */
	unsigned int retry_ms;
	bool ready; /* the monitor takes commands */
	bool follow;
	struct qmp_command *query; /* NULL: none under way */
	bool again;                /* what the query under way may miss, or could not be sent */
	struct qmp_command *linking;
	enum link link_wanted; /* LINK_UNKNOWN: no opinion */
	enum link link_sent;   /* by `linking` */
	enum link link_acked;  /* what QEMU is known to have */
	enum qmp_device_state state;
	struct errmsg reason;
	struct errmsg last_error;
	uint64_t events, queries, failures;
};

const char *
qmp_device_state_name(enum qmp_device_state state)
{
	switch (state) {
	case QMP_DEVICE_OFF:
		return "off";
	case QMP_DEVICE_CONNECTING:
		return "connecting";
	case QMP_DEVICE_SYNCED:
		return "synced";
	case QMP_DEVICE_FAILED:
		return "failed";
	}
	return "unknown";
}

static void
set_state(struct qmp_device *dev, enum qmp_device_state state, const char *reason)
{
	if (dev->state == state && strcmp(dev->reason.text, reason) == 0)
		return;
	dev->state = state;
	err_set(&dev->reason, 0, "%s", reason);
	if (dev->owner.on_state != NULL)
		dev->owner.on_state(dev->owner.ctx, state, dev->reason.text);
}

static void
try_later(struct qmp_device *dev)
{
	const struct timeval tv = {.tv_sec = dev->retry_ms / 1000,
				   .tv_usec = dev->retry_ms % 1000 * 1000};

	if (!evtimer_pending(dev->retry, NULL))
		evtimer_add(dev->retry, &tv);
}

static void
note_failure(struct qmp_device *dev, const char *what, const char *reason)
{
	dev->failures++;
	err_set(&dev->last_error, 0, "%s%s", what, reason);
}

static json_t *
name_argument(const struct qmp_device *dev)
{
	return json_pack("{s:s}", "name", dev->id);
}

static void on_answer(void *ctx, int err, const json_t *value, const char *reason);
static void on_linked(void *ctx, int err, const json_t *value, const char *reason);

static void
ask(struct qmp_device *dev)
{
	json_t *arguments;

	if (!dev->ready || !dev->follow)
		return;
	if (dev->query != NULL) {
		dev->again = true;
		return;
	}
	arguments = name_argument(dev);
	if (arguments != NULL) /* without the name it would ask for every NIC */
		dev->query = qmp_execute(dev->user, "query-rx-filter", arguments, on_answer, dev);
	if (dev->query != NULL) {
		dev->queries++;
	} else {
		dev->again = true;
		try_later(dev);
	}
}

static void
on_answer(void *ctx, int err, const json_t *value, const char *reason)
{
	struct guest_filter filter;
	struct qmp_device *dev = ctx;
	struct errmsg e;
	bool again = dev->again;

	dev->query = NULL;
	dev->again = false;
	if (err ==
	    -ECONNRESET) /* the monitor's state follows, and a query when it is ready again */
		return;
	if (err != 0)
		err_set(&e, err, "query-rx-filter: %s", reason);
	else
		err = guest_filter_parse(value, dev->id, &filter, &e);
	if (err != 0) {
		note_failure(dev, "", e.text);
		try_later(dev);
		set_state(dev, QMP_DEVICE_FAILED, e.text);
	} else {
		if (dev->owner.on_filter != NULL)
			dev->owner.on_filter(dev->owner.ctx, &filter);
		if (dev->follow) /* the owner may have had enough */
			set_state(dev, QMP_DEVICE_SYNCED, "");
	}
	if (again && dev->query == NULL)
		ask(dev);
}

/* Sends the wanted link where QEMU is not known to have it. */
static void
send_link(struct qmp_device *dev)
{
	json_t *arguments;

	if (!dev->ready || dev->linking != NULL || dev->link_wanted == LINK_UNKNOWN ||
	    dev->link_wanted == dev->link_acked)
		return;
	arguments = name_argument(dev);
	if (json_object_set_new(arguments, "up", json_boolean(dev->link_wanted == LINK_UP)) == 0)
		dev->linking = qmp_execute(dev->user, "set_link", arguments, on_linked, dev);
	else
		json_decref(arguments);
	dev->link_sent = dev->link_wanted;
	if (dev->linking == NULL)
		try_later(dev);
}

static void
on_linked(void *ctx, int err, const json_t *value, const char *reason)
{
	struct qmp_device *dev = ctx;

	(void)value;
	dev->linking = NULL;
	dev->link_acked = err == 0 ? dev->link_sent : LINK_UNKNOWN;
	if (err == -ECONNRESET)
		return;
	if (err != 0)
		note_failure(dev, "set_link: ", reason);
	if (err != 0 && dev->link_wanted == dev->link_sent)
		try_later(dev);
	else
		send_link(dev);
}

static void
on_ready(struct qmp_device *dev)
{
	dev->ready = true;
	/* A QEMU that is new behind this path has its links up. */
	if (dev->link_wanted == LINK_DOWN)
		dev->link_acked = LINK_UNKNOWN;
	send_link(dev);
	ask(dev);
	set_state(dev, dev->follow ? QMP_DEVICE_CONNECTING : QMP_DEVICE_OFF, "");
}

static void
on_monitor_state(void *ctx, enum qmp_state state, const char *reason)
{
	struct qmp_device *dev = ctx;

	if (state == QMP_READY) {
		on_ready(dev);
		return;
	}
	dev->ready = false;
	dev->again = false;
	evtimer_del(dev->retry);
	if (state == QMP_FAILED)
		note_failure(dev, "", reason);
	set_state(dev, state == QMP_FAILED ? QMP_DEVICE_FAILED : QMP_DEVICE_CONNECTING, reason);
}

static void
on_monitor_event(void *ctx, const char *name, const json_t *data)
{
	const char *nic = json_string_value(json_object_get(data, "name"));
	struct qmp_device *dev = ctx;

	if (strcmp(name, "NIC_RX_FILTER_CHANGED") == 0) {
		/* Without a name (a NIC without an id) it may be ours: asking once too often does
		 * no harm, and not asking would silence QEMU for good. */
		if (nic != NULL && strcmp(nic, dev->id) != 0)
			return;
		dev->events++;
		ask(dev);
	} else if (strcmp(name, "RESET") == 0 || strcmp(name, "RESUME") == 0) {
		ask(dev); /* a reset gives the filter back its defaults, without an event */
	}
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct qmp_device *dev = arg;

	(void)fd;
	(void)what;
	if (dev->query == NULL && (dev->again || dev->state == QMP_DEVICE_FAILED)) {
		dev->again = false;
		ask(dev);
	}
	send_link(dev);
}

static int
check_id(const char *id, struct errmsg *e)
{
	json_t *text = json_string(id);

	json_decref(text);
	if (text != NULL && id[0] != '\0' && strlen(id) < sizeof(((struct qmp_device *)NULL)->id))
		return 0;
	return err_set(e, -EINVAL, "qmp_device: not the id of a -device of QEMU's: 1 to %zu bytes",
		       sizeof(((struct qmp_device *)NULL)->id) - 1);
}

int
qmp_device_create(struct qmp_monitors *monitors, const struct qmp_device_settings *settings,
		  const struct qmp_device_owner *owner, struct qmp_device **device,
		  struct errmsg *e)
{
	struct qmp_watch watch = {.state = on_monitor_state, .event = on_monitor_event};
	bool off = settings->path[0] == '\0';
	int ret = off ? 0 : check_id(settings->id, e);
	struct qmp_device *dev;

	if (ret != 0)
		return ret;
	dev = calloc(1, sizeof(*dev));
	if (dev == NULL)
		return err_set(e, -ENOMEM, "qmp_device: out of memory");
	dev->owner = *owner;
	dev->follow = settings->follow;
	dev->retry_ms = settings->retry_ms == 0 ? RETRY_MS : settings->retry_ms;
	dev->state = off ? QMP_DEVICE_OFF : QMP_DEVICE_CONNECTING;
	strlcpy(dev->id, settings->id, sizeof(dev->id));
	if (off) {
		*device = dev;
		return 0;
	}
	dev->retry = evtimer_new(qmp_monitors_base(monitors), on_retry, dev);
	watch.ctx = dev;
	ret = dev->retry == NULL ? err_set(e, -ENOMEM, "qmp_device: out of memory")
				 : qmp_monitor_get(monitors, settings->path, &watch, &dev->user, e);
	if (ret != 0)
		qmp_device_destroy(dev);
	else
		*device = dev;
	return ret;
}

void
qmp_device_destroy(struct qmp_device *dev)
{
	if (dev == NULL)
		return;
	if (dev->user != NULL)
		qmp_monitor_put(dev->user);
	if (dev->retry != NULL)
		event_free(dev->retry);
	free(dev);
}

void
qmp_device_follow(struct qmp_device *dev, bool follow)
{
	if (dev->follow == follow)
		return;
	dev->follow = follow;
	if (dev->query != NULL)
		qmp_cancel(dev->query);
	dev->query = NULL;
	dev->again = false;
	if (!dev->ready) /* the monitor's state stands */
		return;
	ask(dev);
	set_state(dev, follow ? QMP_DEVICE_CONNECTING : QMP_DEVICE_OFF, "");
}

void
qmp_device_requery(struct qmp_device *dev)
{
	if (dev->ready)
		ask(dev);
	else if (dev->user != NULL)
		qmp_monitor_hurry(dev->user);
}

void
qmp_device_set_link(struct qmp_device *dev, bool up)
{
	dev->link_wanted = up ? LINK_UP : LINK_DOWN;
	send_link(dev);
}

void
qmp_device_get_info(const struct qmp_device *dev, struct qmp_device_info *info)
{
	*info = (struct qmp_device_info){.state = dev->state,
					 .reason = dev->reason.text,
					 .last_error = dev->last_error.text,
					 .events = dev->events,
					 .queries = dev->queries,
					 .failures = dev->failures};
}
