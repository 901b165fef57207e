/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config/settings.h"

/*
 * A set of ports by index, one bit each, so that every flood rule is one line of set algebra
 * (as the mode masks of the kernel's macvlan_broadcast). Plain data, copied by value.
 */
#define PORTSET_WORDS (MAX_PORTS / 64)

struct portset {
	uint64_t word[PORTSET_WORDS];
};

static inline void
portset_add(struct portset *s, uint16_t port)
{
	s->word[port / 64] |= UINT64_C(1) << (port % 64);
}

static inline void
portset_del(struct portset *s, uint16_t port)
{
	s->word[port / 64] &= ~(UINT64_C(1) << (port % 64));
}

static inline bool
portset_has(const struct portset *s, uint16_t port)
{
	return s->word[port / 64] >> (port % 64) & 1;
}

static inline bool
portset_empty(const struct portset *s)
{
	uint64_t any = 0;

	for (unsigned int i = 0; i < PORTSET_WORDS; i++)
		any |= s->word[i];
	return any == 0;
}

static inline uint32_t
portset_count(const struct portset *s)
{
	uint32_t n = 0;

	for (unsigned int i = 0; i < PORTSET_WORDS; i++)
		n += (uint32_t)__builtin_popcountll(s->word[i]);
	return n;
}

static inline struct portset
portset_and(const struct portset *a, const struct portset *b)
{
	struct portset r;

	for (unsigned int i = 0; i < PORTSET_WORDS; i++)
		r.word[i] = a->word[i] & b->word[i];
	return r;
}

static inline struct portset
portset_or(const struct portset *a, const struct portset *b)
{
	struct portset r;

	for (unsigned int i = 0; i < PORTSET_WORDS; i++)
		r.word[i] = a->word[i] | b->word[i];
	return r;
}

/* Takes the lowest port out of *s, which must not be empty. */
static inline uint16_t
portset_take(struct portset *s)
{
	unsigned int i = 0;
	unsigned int bit;

	while (s->word[i] == 0)
		i++;
	bit = (unsigned int)__builtin_ctzll(s->word[i]);
	s->word[i] &= s->word[i] - 1;
	return (uint16_t)(i * 64 + bit);
}
