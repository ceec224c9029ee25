/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counters that processes share (scratch-figures.h): 64 bits, little-endian. */
#ifndef PULLBACK_COUNTER_ATOMIC_H
#define PULLBACK_COUNTER_ATOMIC_H

#include <endian.h>
#include <stdatomic.h>
#include <stdint.h>

/* Relaxed, as are the others: no other memory depends on a counter, and a reader takes
 * each for itself.  Pairs with counter_load. */
static inline void
counter_add (_Atomic uint64_t *counter, uint64_t n)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  atomic_fetch_add_explicit (counter, n, memory_order_relaxed);
#else
  uint64_t old = atomic_load_explicit (counter, memory_order_relaxed);

  while (!atomic_compare_exchange_weak_explicit (
            counter, &old, htole64 (le64toh (old) + n), memory_order_relaxed,
            memory_order_relaxed))
    ;
#endif
}

/* To N, where it is less.  Pairs with counter_load. */
static inline void
counter_raise (_Atomic uint64_t *counter, uint64_t n)
{
  uint64_t old = atomic_load_explicit (counter, memory_order_relaxed);

  while (le64toh (old) < n &&
         !atomic_compare_exchange_weak_explicit (counter, &old, htole64 (n),
                                                 memory_order_relaxed,
                                                 memory_order_relaxed))
    ;
}

static inline uint64_t
counter_load (const _Atomic uint64_t *counter)
{
  return le64toh (atomic_load_explicit (counter, memory_order_relaxed));
}

#endif
