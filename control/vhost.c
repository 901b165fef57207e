/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * rte_vhost's callbacks and the mailbox that carries them to control. The callbacks run on the
 * vhost library's thread, the rest on the control thread; the mailbox is guarded by one mutex, and
 * only control ever looks at ports. vhost_socket.c opens and closes the sockets.
 */
#include "control/vhost.h"

#include <bsd/string.h>
#include <bsd/sys/queue.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <rte_vhost.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "control/log.h"
#include "control/vhost_internal.h"

/* One letter: a copy on the heap, or, when its sender waits, on the sender's stack. */
struct letter {
	TAILQ_ENTRY(letter) next;
	struct guest_event event;
	bool waited_for;
	bool done; /* under the mutex: control has dealt with it */
};

struct vhost_mailbox {
	struct event *wakeup; /* control only */
	guest_event_fn handler;
	void *ctx;
	int fd; /* eventfd: senders write, control reads */
	pthread_mutex_t lock;
	pthread_cond_t handled;
	/* Under lock: */
	TAILQ_HEAD(, letter) letters;
	char closing[SOCKET_PATH_SIZE]; /* the socket being unregistered: nobody waits for it */
};

/* The library's callbacks have no context argument: this is it. Set before the first socket is
 * registered and cleared after the last one is gone, both by control. */
static struct vhost_mailbox *the_mailbox;

static void
ring_the_bell(const struct vhost_mailbox *mb)
{
	if (eventfd_write(mb->fd, 1) != 0)
		log_error("vhost: control cannot be woken: %m");
}

static bool
is_closing(const struct vhost_mailbox *mb, const char *path)
{
	return strcmp(mb->closing, path) == 0;
}

/* Hands the event to control; waits until it is dealt with if asked to. */
static int
post(const struct guest_event *event, bool wait)
{
	struct vhost_mailbox *mb = the_mailbox;
	struct letter on_stack, *l = &on_stack;

	if (!wait) {
		l = malloc(sizeof(*l));
		if (l == NULL)
			return -ENOMEM;
	}
	*l = (struct letter){.event = *event, .waited_for = wait};
	pthread_mutex_lock(&mb->lock);
	if (is_closing(mb, event->path)) {
		/* The port is out of the view already, and control waits for us. */
		pthread_mutex_unlock(&mb->lock);
		if (!wait)
			free(l);
		return 0;
	}
	TAILQ_INSERT_TAIL(&mb->letters, l, next);
	ring_the_bell(mb);
	while (wait && !l->done)
		pthread_cond_wait(&mb->handled, &mb->lock);
	pthread_mutex_unlock(&mb->lock);
	return 0;
}

static int
post_kind(int vid, enum guest_event_kind kind, uint16_t ring, bool enabled, bool wait)
{
	struct guest_event event = {.kind = kind, .vid = vid, .ring = ring, .enabled = enabled};

	if (rte_vhost_get_ifname(vid, event.path, sizeof(event.path)) != 0)
		return -ENODEV;
	return post(&event, wait);
}

static int
on_connection(int vid)
{
	return post_kind(vid, GUEST_CONNECTED, 0, false, false);
}

static int
on_new_device(int vid)
{
	return post_kind(vid, GUEST_READY, 0, true, false);
}

static int
on_ring(int vid, uint16_t ring, int enabled)
{
	return post_kind(vid, GUEST_RING, ring, enabled != 0, false);
}

static void
on_destroy_device(int vid)
{
	post_kind(vid, GUEST_GONE, 0, false, true);
}

static void
on_disconnect(int vid)
{
	post_kind(vid, GUEST_DISCONNECTED, 0, false, false);
}

static const struct rte_vhost_device_ops callbacks = {
	.new_connection = on_connection,
	.new_device = on_new_device,
	.vring_state_changed = on_ring,
	.destroy_device = on_destroy_device,
	.destroy_connection = on_disconnect,
};

const struct rte_vhost_device_ops *
vhost_callbacks(void)
{
	return &callbacks;
}

static void
finish(struct vhost_mailbox *mb, struct letter *l)
{
	if (!l->waited_for) {
		free(l);
		return;
	}
	l->done = true;
	pthread_cond_broadcast(&mb->handled);
}

/* Control: the bell rang. */
static void
on_wakeup(evutil_socket_t fd, short what, void *arg)
{
	struct vhost_mailbox *mb = arg;
	eventfd_t rings;

	(void)what;
	if (eventfd_read(fd, &rings) != 0 && errno != EAGAIN)
		log_error("vhost: eventfd: %m");
	pthread_mutex_lock(&mb->lock);
	while (!TAILQ_EMPTY(&mb->letters)) {
		struct letter *l = TAILQ_FIRST(&mb->letters);

		TAILQ_REMOVE(&mb->letters, l, next);
		pthread_mutex_unlock(&mb->lock);
		mb->handler(mb->ctx, &l->event);
		pthread_mutex_lock(&mb->lock);
		finish(mb, l);
	}
	pthread_mutex_unlock(&mb->lock);
}

void
vhost_mailbox_close(struct vhost_mailbox *mb, const char *path)
{
	struct letter *l, *next;

	pthread_mutex_lock(&mb->lock);
	strlcpy(mb->closing, path, sizeof(mb->closing));
	for (l = TAILQ_FIRST(&mb->letters); l != NULL; l = next) {
		next = TAILQ_NEXT(l, next);
		if (!is_closing(mb, l->event.path))
			continue;
		TAILQ_REMOVE(&mb->letters, l, next);
		finish(mb, l);
	}
	pthread_mutex_unlock(&mb->lock);
}

void
vhost_mailbox_closed(struct vhost_mailbox *mb)
{
	pthread_mutex_lock(&mb->lock);
	mb->closing[0] = '\0';
	pthread_mutex_unlock(&mb->lock);
}

int
vhost_mailbox_create(struct event_base *base, guest_event_fn handler, void *ctx,
		     struct vhost_mailbox **out)
{
	struct vhost_mailbox *mb;

	if (the_mailbox != NULL)
		return -EBUSY;
	mb = calloc(1, sizeof(*mb));
	if (mb == NULL)
		return -ENOMEM;
	mb->handler = handler;
	mb->ctx = ctx;
	TAILQ_INIT(&mb->letters);
	pthread_mutex_init(&mb->lock, NULL);
	pthread_cond_init(&mb->handled, NULL);
	mb->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (mb->fd >= 0)
		mb->wakeup = event_new(base, mb->fd, EV_READ | EV_PERSIST, on_wakeup, mb);
	if (mb->wakeup == NULL || event_add(mb->wakeup, NULL) != 0) {
		vhost_mailbox_destroy(mb);
		return -ENOMEM;
	}
	the_mailbox = mb;
	*out = mb;
	return 0;
}

void
vhost_mailbox_destroy(struct vhost_mailbox *mb)
{
	if (mb == NULL)
		return;
	the_mailbox = NULL;
	if (mb->wakeup != NULL)
		event_free(mb->wakeup);
	if (mb->fd >= 0)
		close(mb->fd);
	pthread_cond_destroy(&mb->handled);
	pthread_mutex_destroy(&mb->lock);
	free(mb);
}

void
vhost_facts(int vid, struct guest_facts *facts)
{
	*facts = (struct guest_facts){.numa_node = rte_vhost_get_numa_node(vid),
				      .rings = rte_vhost_get_vring_num(vid)};
	rte_vhost_get_negotiated_features(vid, &facts->features);
}

int
vhost_kick_fd(int vid, uint16_t ring)
{
	struct rte_vhost_vring vring;

	if (rte_vhost_get_vhost_vring(vid, ring, &vring) != 0 || vring.kickfd < 0)
		return -1;
	return fcntl(vring.kickfd, F_DUPFD_CLOEXEC, 0);
}

void
vhost_disable_kicks(int vid, uint16_t ring)
{
	rte_vhost_enable_guest_notification(vid, ring, 0);
}
