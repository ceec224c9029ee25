/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The atomics of pace files.
 *
 * No word of a pace file says anything about another one, or about data: who
 * reads an old value paces as was right a moment ago.  So all is relaxed, and
 * needs no pair.  That a process is killed between any two of these leaves
 * nothing held. */
#ifndef PULLBACK_PACE_ATOMIC_H
#define PULLBACK_PACE_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef _Atomic uint64_t pace_word;

static inline uint64_t
pace_word_load (const pace_word *word)
{
  return atomic_load_explicit (word, memory_order_relaxed);
}

static inline void
pace_word_store (pace_word *word, uint64_t value)
{
  atomic_store_explicit (word, value, memory_order_relaxed);
}

/* What it was. */
static inline uint64_t
pace_word_add (pace_word *word, uint64_t value)
{
  return atomic_fetch_add_explicit (word, value, memory_order_relaxed);
}

/* *SEEN becomes what is there where that is something else. */
static inline bool
pace_word_exchange (pace_word *word, uint64_t *seen, uint64_t value)
{
  return atomic_compare_exchange_strong_explicit (word, seen, value,
                                                  memory_order_relaxed,
                                                  memory_order_relaxed);
}

#endif
