/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * Keeps the set of descriptors that end a worker's sleep in line with what it polls. Called by
 * dataplane.c on the control thread; the worker waits in the meantime, which epoll allows.
 */
#include "dataplane/wakeup.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int
add(const struct wakeup *wu, int fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};

	return epoll_ctl(wu->epoll, EPOLL_CTL_ADD, fd, &event) == 0 || errno == EEXIST ? 0 : -errno;
}

int
wakeup_create(struct wakeup *wu)
{
	*wu = (struct wakeup){.bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	wu->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (wu->epoll < 0 || wu->bell < 0)
		return -errno;
	return add(wu, wu->bell);
}

void
wakeup_destroy(struct wakeup *wu)
{
	if (wu->epoll > 0)
		close(wu->epoll);
	if (wu->bell > 0)
		close(wu->bell);
	free(wu->watched);
	free(wu->next);
	*wu = (struct wakeup){.epoll = -1, .bell = -1};
}

static int
by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Sorts, and leaves each once. Returns how many are left. */
static uint32_t
tidy(int *fds, uint32_t n)
{
	uint32_t kept = 0;

	qsort(fds, n, sizeof(*fds), by_number);
	for (uint32_t i = 0; i < n; i++)
		if (kept == 0 || fds[kept - 1] != fds[i])
			fds[kept++] = fds[i];
	return kept;
}

static bool
has(const int *fds, uint32_t n, int fd)
{
	return n > 0 && bsearch(&fd, fds, n, sizeof(*fds), by_number) != NULL;
}

void
wakeup_watch(struct wakeup *wu, const struct view_worker *worker, wake_fd_fn fd_of, void *ctx)
{
	uint32_t n = 0;

	wu->next = malloc((worker->n_polls + 1) * sizeof(*wu->next));
	wu->next_deaf = wu->next == NULL;
	for (uint32_t i = 0; wu->next != NULL && i < worker->n_polls; i++) {
		int fd = fd_of(ctx, &worker->polls[i]);

		if (fd >= 0)
			wu->next[n++] = fd;
		else
			wu->next_deaf = true;
	}
	wu->n_next = wu->next == NULL ? 0 : tidy(wu->next, n);
	/* Those of before as well: a driver's restart may have given a new one the same number. */
	for (uint32_t i = 0; i < wu->n_next; i++)
		if (add(wu, wu->next[i]) != 0)
			wu->next_deaf = true;
	if (wu->next_deaf)
		atomic_store_explicit(&wu->deaf, true, memory_order_relaxed);
}

void
wakeup_settle(struct wakeup *wu)
{
	for (uint32_t i = 0; i < wu->n_watched; i++)
		if (!has(wu->next, wu->n_next, wu->watched[i]))
			epoll_ctl(wu->epoll, EPOLL_CTL_DEL, wu->watched[i], NULL);
	free(wu->watched);
	wu->watched = wu->next;
	wu->n_watched = wu->n_next;
	wu->next = NULL;
	wu->n_next = 0;
	atomic_store_explicit(&wu->deaf, wu->next_deaf, memory_order_relaxed);
}

void
wakeup_ring(const struct wakeup *wu)
{
	eventfd_write(wu->bell, 1);
}
