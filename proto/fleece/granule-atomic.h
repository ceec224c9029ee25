/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The only atomics of the tree (consistency rules S2, V1, B1).
 *
 * A word of a granule map is written by one process and read by others
 * through shared mappings.  Each release here pairs with the acquire of the
 * same name. */
#ifndef PULLBACK_GRANULE_ATOMIC_H
#define PULLBACK_GRANULE_ATOMIC_H

#include <stdatomic.h>
#include <stdint.h>

/* Release: what was written before (old data in the fleece store) is visible
 * to whoever sees the bits.  Pairs with granule_word_acquire. */
static inline void
granule_word_set_release (_Atomic uint64_t *word, uint64_t bits)
{
  atomic_fetch_or_explicit (word, bits, memory_order_release);
}

/* Acquire: pairs with granule_word_set_release. */
static inline uint64_t
granule_word_acquire (const _Atomic uint64_t *word)
{
  return atomic_load_explicit (word, memory_order_acquire);
}

/* State of the whole map (enum granule_map_state).  Sequentially consistent,
 * as the sink sets it once, before a reply that lets a guest write pass, and
 * the view looks at it after each read. */
static inline void
granule_state_store (_Atomic uint32_t *state, uint32_t value)
{
  atomic_store_explicit (state, value, memory_order_seq_cst);
}

static inline uint32_t
granule_state_load (const _Atomic uint32_t *state)
{
  return atomic_load_explicit (state, memory_order_seq_cst);
}

#endif
