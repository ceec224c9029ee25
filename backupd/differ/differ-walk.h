/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way over both disks, from their begin to their end: what is to be looked at next.
 * Threads: one. */
#ifndef PULLBACK_DIFFER_WALK_H
#define PULLBACK_DIFFER_WALK_H

#include "differ-map.h"
#include "differ-side.h"
#include "differ-written.h"

/* Of both disks.  What one of them says is zero need not be read there. */
struct differ_span {
  uint64_t offset, length;
  bool source_zero, target_zero;
};

struct differ_walk_side {
  struct differ_side *side;
  struct differ_map map;
  struct differ_request request;
  uint64_t size;                /* its disk's, as far as it is walked over */
  uint64_t asked, told;         /* where the request begins, and how far its answer is */
  uint64_t window;              /* how much is asked for at once */
  unsigned n_told;              /* extents of the last answer */
  bool is_asked, tells_zeros;
  bool zero_behind;             /* what is behind its end counts as zero */
};

struct differ_walk {
  struct differ_walk_side source, target;
  uint64_t at, end;             /* TOTAL bytes are walked over */
  const struct differ_written *only;    /* where was written; NULL: all */
  bool zero_by_request;         /* what is zero in the source alone is not looked at */
};

/* TOTAL: at least the source's size, at most the target's.  Spans begin at multiples of GRAIN.  ZERO_REST: what the
 * source lacks of that is zero; else it is data, and less than GRAIN. */
void differ_walk_init (struct differ_walk *walk, struct differ_side *source, struct differ_side *target,
                       uint64_t total, uint32_t grain, bool zero_rest);
void differ_walk_free (struct differ_walk *walk);

/* Asks for the maps ahead, if that is wanted now.  To be called before each wait.  1: more is known at once. */
int differ_walk_ask (struct differ_walk *walk, struct failure *why) WARN_UNUSED;

/* The next span: of any length where both are zero, or where ZERO_BY_REQUEST is, else inside of one piece of
 * DIFFER_PIECE.  False: the end (AT is END), or an answer has to be waited for. */
bool differ_walk_next (struct differ_walk *walk, struct differ_span *span);

#endif
