/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a disk is zero, as far as its server has said, from where the work is on.  Pure;
 * threads: one. */
#ifndef PULLBACK_DIFFER_MAP_H
#define PULLBACK_DIFFER_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

/* Extents that are kept; what a server says beyond that is asked for again. */
#define DIFFER_MAP_MOST (128 * 1024)

struct differ_extent {
  uint64_t end;
  bool zero;
};

/* Extents [first, n) of ITEMS follow each other from START on.  Zeros are told of in multiples of
 * GRAIN (a power of two) only: the rest is data, which is always right. */
struct differ_map {
  uint64_t size, start, end;    /* of the disk, and of what is known */
  uint64_t grain;
  struct differ_extent *items;
  size_t first, n, room;
};

/* Frees nothing.  Nothing is known yet. */
void differ_map_init (struct differ_map *map, uint64_t size, uint64_t grain);
void differ_map_free (struct differ_map *map);

/* The next LENGTH bytes; what is beyond the disk's end is left out.  -ENOSPC: there are
 * DIFFER_MAP_MOST extents, and this is not taken.  -ENOMEM. */
int differ_map_add (struct differ_map *map, uint64_t length, bool zero) WARN_UNUSED;

/* The work goes on at AT, a multiple of GRAIN or the disk's end, not before an earlier one; if that is
 * beyond what is known, nothing is known then. */
void differ_map_pass (struct differ_map *map, uint64_t at);

/* What is at START: so many bytes are zero, or data, of which no more than MOST (a multiple of GRAIN) are
 * looked for.  The length is a multiple of GRAIN, or reaches the disk's end.  0: not known yet. */
uint64_t differ_map_look (const struct differ_map *map, uint64_t most, bool *zero);

#endif
