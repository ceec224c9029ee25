/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The atomics that rules hang on (S2, V1 to V4, B1, G1).  The others of the tree are counters
 * (counter-atomic.h) and paces (pace-atomic.h).
 *
 * A word of a granule map is written by one process (that of "counted": by two) and
 * read by others through shared mappings.  A reader does two things, and they need opposite
 * orders:
 *
 *   first look (V1):   load the word, then read the store.
 *                      The load is an acquire: what comes later stays later.
 *   second look (V2):  read the base, then load the word.
 *                      No load keeps *earlier* reads earlier, however it is
 *                      marked: on arm64 the word could be loaded first, say
 *                      "not present", then the sink replies, the guest writes,
 *                      and the read of the base finds its new bytes.  That
 *                      takes a fence between the two: granule_look_fence.
 *
 * docs/consistency.md shows the order of all loads and stores, event by event.
 * tests/style/arm64-order.sh looks whether the compiler made these barriers. */
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

/* Returns what the word was: of several that clear a bit, one sees it set, and has
 * it.  Nothing else is ordered by that. */
static inline uint64_t
granule_word_clear (_Atomic uint64_t *word, uint64_t bits)
{
  return atomic_fetch_and_explicit (word, ~bits, memory_order_relaxed);
}

/* Before each look, which may be a second one, and before granule_state_load:
 * all that this thread has read before, it has read before what it loads next.
 * That the kernel read it for us makes no difference: it did so in this thread,
 * or in one whose completion this thread has seen by an acquire.  Free on
 * x86-64, one dmb ishld on arm64. */
static inline void
granule_look_fence (void)
{
  /* gcc's thread sanitizer does not know fences and says so. */
#if defined __SANITIZE_THREAD__ && !defined __clang__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan"
  atomic_thread_fence (memory_order_acquire);
#pragma GCC diagnostic pop
#else
  atomic_thread_fence (memory_order_acquire);
#endif
}

/* Acquire: pairs with granule_word_set_release. */
static inline uint64_t
granule_word_acquire (const _Atomic uint64_t *word)
{
  return atomic_load_explicit (word, memory_order_acquire);
}

/* State of the whole map (enum granule_map_state).  Release: the reason is
 * stored before it.  The reply that lets a guest write pass comes later in the
 * same thread; like the present bit, it goes through the socket's lock. */
static inline void
granule_state_store (_Atomic uint32_t *state, uint32_t value)
{
  atomic_store_explicit (state, value, memory_order_release);
}

/* Acquire: pairs with granule_state_store, for the reason.  V3 is a second look,
 * too: granule_look_fence before it. */
static inline uint32_t
granule_state_load (const _Atomic uint32_t *state)
{
  return atomic_load_explicit (state, memory_order_acquire);
}

#endif
