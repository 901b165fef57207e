/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * What the machine itself takes to wake a sleeper: from before write() to an eventfd until
 * epoll_wait() has returned on another CPU; no DPDK, nothing of ours. Started by
 * scripts/idle-latency, as the floor of what the switch can do.
 */
#include <bsd/stdlib.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOST_NS 100000000

/* Shared by the two processes: the sender writes sent, the sleeper the rest. */
struct shared {
	volatile long sent;
	volatile long took;
	volatile long wakes;
};

static long
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void
pin(const char *cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((int)strtonum(cpu, 0, CPU_SETSIZE - 1, NULL), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void
sleeper(struct shared *s, int fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int epoll = epoll_create1(0);

	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
	while (epoll_wait(epoll, &event, 1, -1) == 1) {
		s->took = now() - s->sent;
		s->wakes++;
	}
}

static void
sender(struct shared *s, int fd, long count, useconds_t gap)
{
	usleep(100000); /* the other one sleeps by then */
	for (long i = 1; i <= count; i++) {
		long wakes = s->wakes, start;

		usleep(gap);
		start = s->sent = now();
		eventfd_write(fd, 1);
		while (s->wakes == wakes && now() - start < LOST_NS)
			;
		printf("%ld\n", s->took);
	}
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	struct shared *s =
		mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = eventfd(0, EFD_NONBLOCK);
	pid_t child;

	if (argc != 5 || s == MAP_FAILED || fd < 0)
		return fputs("usage: wake_floor COUNT GAP-MICROSECONDS CPU CPU\n"
			     "prints nanoseconds, one line a wake-up\n",
			     stderr),
		       1;
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(argv[4]);
		sleeper(s, fd);
		return 1;
	}
	pin(argv[3]);
	prctl(PR_SET_TIMERSLACK, 1UL);
	sender(s, fd, (long)strtonum(argv[1], 1, 1000000, NULL),
	       (useconds_t)strtonum(argv[2], 1, 1000000, NULL));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return 0;
}
