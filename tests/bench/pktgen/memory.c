/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * A guest's memory: its two rings and the buffers behind them, in one file that the switch maps
 * too. Hugepages if there are free ones, as guests that are to be fast have them. An idle guest has
 * one buffer for all descriptors.
 */
#include <errno.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/bench/pktgen/pktgen.h"

#define HUGEPAGE (2u << 20)

static size_t
aligned(size_t size)
{
	return (size + 4095) & ~(size_t)4095;
}

static size_t
ring_bytes(uint16_t size)
{
	return aligned(sizeof(struct vring_desc) * size) +
	       aligned(sizeof(struct vring_avail) + 2u * size) +
	       aligned(sizeof(struct vring_used) + sizeof(struct vring_used_elem) * size);
}

/* Cuts a ring off the memory at *at. */
static void
lay_out(struct ring *r, uint16_t size, uint8_t **at)
{
	r->size = size;
	r->desc = (void *)*at;
	*at += aligned(sizeof(struct vring_desc) * size);
	r->avail = (void *)*at;
	*at += aligned(sizeof(struct vring_avail) + 2u * size);
	r->used = (void *)*at;
	*at += aligned(sizeof(struct vring_used) + sizeof(struct vring_used_elem) * size);
}

/* A mapped file of that many bytes; its descriptor or a negative errno. */
static int
map_file(size_t size, unsigned int flags, void **memory)
{
	int fd = memfd_create("pktgen", MFD_CLOEXEC | flags);

	if (fd < 0)
		return -errno;
	*memory = MAP_FAILED;
	if (ftruncate(fd, (off_t)size) == 0)
		*memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (*memory == MAP_FAILED) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	return fd;
}

int
memory_make(struct pktgen *g, struct port *p, uint16_t ring_size, int *fd)
{
	size_t slots = p->idle ? SLOT_SIZE : 2 * (size_t)ring_size * SLOT_SIZE;
	size_t huge;
	uint8_t *at;

	p->memory_size = 2 * ring_bytes(ring_size) + slots;
	huge = (p->memory_size + HUGEPAGE - 1) & ~(size_t)(HUGEPAGE - 1);
	/* Idle guests are many, and nobody waits for theirs. */
	*fd = p->idle ? -ENOMEM : map_file(huge, MFD_HUGETLB | MFD_HUGE_2MB, &p->memory);
	if (*fd >= 0) {
		p->memory_size = huge;
	} else {
		g->hugepages &= p->idle;
		*fd = map_file(p->memory_size, 0, &p->memory);
	}
	if (*fd < 0)
		return *fd;
	at = p->memory;
	lay_out(&p->receive, ring_size, &at);
	lay_out(&p->send, ring_size, &at);
	p->receive.slots = at;
	p->send.slots = p->idle ? at : at + (size_t)ring_size * SLOT_SIZE;
	p->receive.avail->flags = p->send.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	for (uint16_t i = 0; i < ring_size; i++) {
		uint8_t *slot = p->receive.slots + (p->idle ? 0 : (size_t)i * SLOT_SIZE);

		p->receive.desc[i] =
			(struct vring_desc){.addr = (uintptr_t)slot + FRAME_AT - VNET_HEADER,
					    .len = VNET_HEADER + MAX_FRAME,
					    .flags = VRING_DESC_F_WRITE};
		p->receive.avail->ring[i] = p->send.avail->ring[i] = i;
	}
	p->receive.avail->idx = ring_size; /* all of them are the switch's to fill */
	return 0;
}
