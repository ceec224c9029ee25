/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arithmetic on offsets and lengths that cannot wrap. */
#ifndef PULLBACK_CHECKED_MATH_H
#define PULLBACK_CHECKED_MATH_H

#include <stdbool.h>
#include <stdint.h>

/* Is [offset, offset+length) inside [0, size)?  An empty range at the end is. */
static inline bool
range_is_inside (uint64_t offset, uint64_t length, uint64_t size)
{
  return offset <= size && length <= size - offset;
}

/* Both need a power of two; round_up of a value within align of UINT64_MAX is
 * the caller's error (disk sizes are below 2^63). */
static inline uint64_t
round_down_pow2 (uint64_t value, uint64_t align)
{
  return value & ~(align - 1);
}

static inline uint64_t
round_up_pow2 (uint64_t value, uint64_t align)
{
  return (value + align - 1) & ~(align - 1);
}

static inline uint64_t
min_u64 (uint64_t a, uint64_t b)
{
  return a < b ? a : b;
}

static inline uint64_t
max_u64 (uint64_t a, uint64_t b)
{
  return a > b ? a : b;
}

#endif
