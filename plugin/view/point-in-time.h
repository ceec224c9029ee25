/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rules V1 to V4 and G1 and nothing else: what is read from where, and when it is
 * looked at again.  Does no I/O of its own; all of that is in the ops, so that
 * a test can force every order of events. */
#ifndef PULLBACK_POINT_IN_TIME_H
#define PULLBACK_POINT_IN_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "source.h"

/* At most so many reads of each kind are asked for before finish. */
#define POINT_IN_TIME_READS 64

struct point_in_time_ops {
  /* As granule_map_run on the present map (acquire). */
  uint64_t (*look) (void *context, uint64_t offset, uint64_t limit, bool *present);

  /* Asks for a read; it may happen at any time until finish has returned. */
  int (*read_base) (void *context, void *buffer, uint64_t length, uint64_t offset);
  int (*read_fleece) (void *context, void *buffer, uint64_t length, uint64_t offset);

  /* Returns when all that was asked for has completed. */
  int (*finish) (void *context);

  /* As granule_map_broken. */
  int (*broken) (void *context);

  /* What clients have given back: as granule_map_run on the map of that.  NULL:
   * nothing. */
  uint64_t (*consumed) (void *context, uint64_t offset, uint64_t limit, bool *is_consumed);

  /* Ranges that are not wanted read as zeros; NULL: all are.  As
   * granule_map_run on a dirty map. */
  uint64_t (*wanted) (void *context, uint64_t offset, uint64_t limit, bool *is_wanted);

  /* As source_ops.extents. */
  int (*base_extents) (void *context, uint64_t offset, uint64_t length,
                       struct source_extent *extents, size_t *count);
  int (*fleece_extents) (void *context, uint64_t offset, uint64_t length,
                         struct source_extent *extents, size_t *count);
};

struct point_in_time {
  const struct point_in_time_ops *ops;
  void *context;
  bool skip_second_look;        /* for tests that must fail: breaks V2, V4 */
};

/* Reads [offset, offset+length), which must be inside the disk, as it was at
 * the freeze.  -EIO once the store is broken, -EPERM if any of it was given back.
 * After an error BUFFER holds anything. */
int point_in_time_read (const struct point_in_time *view, void *buffer,
                        uint64_t length, uint64_t offset) WARN_UNUSED;

/* What was given back is data, which a read then refuses.  Reports extents from OFFSET on, one by one, in order, without gaps: at least
 * one, not necessarily up to OFFSET+LENGTH.  EMIT returns 1 to stop, 0 to go
 * on, or -errno. */
int point_in_time_extents (const struct point_in_time *view, uint64_t offset,
                           uint64_t length,
                           int (*emit) (void *to, uint64_t offset, uint64_t length, bool hole),
                           void *to) WARN_UNUSED;

#endif
