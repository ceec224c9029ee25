/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counters that processes share (scratch-figures.h, scratch-ledger.h): 64 bits, little-endian. */
#ifndef PULLBACK_COUNTER_ATOMIC_H
#define PULLBACK_COUNTER_ATOMIC_H

#include <endian.h>
#include <stdatomic.h>
#include <stdint.h>

/* Returns the sum. */
static inline uint64_t
counter_add_as (_Atomic uint64_t *counter, uint64_t n, memory_order order)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  return atomic_fetch_add_explicit (counter, n, order) + n;
#else
  uint64_t old = atomic_load_explicit (counter, memory_order_relaxed);

  while (!atomic_compare_exchange_weak_explicit (
            counter, &old, htole64 (le64toh (old) + n), order,
            memory_order_relaxed))
    ;
  return le64toh (old) + n;
#endif
}

/* Relaxed, as are the next two: no other memory depends on the counter, and a reader
 * takes each for itself.  Pairs with counter_load. */
static inline void
counter_add (_Atomic uint64_t *counter, uint64_t n)
{
  counter_add_as (counter, n, memory_order_relaxed);
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

/* In one order for all threads of all processes (seq_cst), with each other: who has
 * added to its own counter and then loads another's, either sees what that one added or
 * is seen by it.  That takes all of these, additions and loads, to be so. */
static inline uint64_t
counter_add_in_order (_Atomic uint64_t *counter, uint64_t n)
{
  return counter_add_as (counter, n, memory_order_seq_cst);
}

/* Takes off N, or all where there is less: a counter that was torn, or made anew, knows
 * nothing of what is given back.  It stands with the two around it. */
static inline void
counter_lower_in_order (_Atomic uint64_t *counter, uint64_t n)
{
  uint64_t old = atomic_load_explicit (counter, memory_order_relaxed), rest;

  do
    rest = le64toh (old) > n ? le64toh (old) - n : 0;
  while (!atomic_compare_exchange_weak_explicit (counter, &old, htole64 (rest),
                                                 memory_order_seq_cst,
                                                 memory_order_relaxed));
}

/* Acquire, as it is more than that: pairs with counter_store_in_order. */
static inline uint64_t
counter_load_in_order (const _Atomic uint64_t *counter)
{
  return le64toh (atomic_load_explicit (counter, memory_order_seq_cst));
}

/* Release, as it is more than that. */
static inline void
counter_store_in_order (_Atomic uint64_t *counter, uint64_t n)
{
  atomic_store_explicit (counter, htole64 (n), memory_order_seq_cst);
}

#endif
