/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One call for many writes, in the write path of the guest: where it fails, or is not
 * known, nothing is lost but the time that it saves. */
#include <config.h>

#include <linux/magic.h>
#include <sys/vfs.h>

#include "checked-math.h"
#include "fleece-space.h"
#include "late-error.h"

/* What may be taken ahead of what is free, and of what the limits leave: others want
 * it as well. */
#define PART_OF_ROOM 128
#define PART_OF_LIMIT 8

void
fleece_space_init (struct fleece_space *space, int fd)
{
  struct statfs fs;

  space->fd = fd;
  space->is_needed = late_error_needs_blocks (fd);
  /* On tmpfs it would be memory. */
  space->is_useful = fstatfs (fd, &fs) == 0 &&
                     (uint32_t) fs.f_type != TMPFS_MAGIC;
  space->end = 0;
  pthread_mutex_init (&space->lock, NULL);
}

void
fleece_space_destroy (struct fleece_space *space)
{
  pthread_mutex_destroy (&space->lock);
}

/* Bytes, from FROM on, that it is well to take at once. */
static uint64_t
piece_at (const struct fleece_space *space,
          const struct scratch_figures *figures, uint64_t from)
{
  uint64_t piece = min_u64 (max_u64 (from / 2, FLEECE_AHEAD_MIN),
                            FLEECE_AHEAD_MAX);
  struct statfs fs;

  if (!space->is_useful || fstatfs (space->fd, &fs) < 0)
    return 0;
  piece = min_u64 (piece, (uint64_t) fs.f_bavail * (uint64_t) fs.f_bsize /
                          PART_OF_ROOM);
  return min_u64 (piece, scratch_figures_left (figures) / PART_OF_LIMIT);
}

/* All from FROM to END, and some ahead. */
static int
take_blocks (struct fleece_space *space, const struct scratch_figures *figures,
             uint64_t from, uint64_t end, uint32_t granule)
{
  uint64_t piece = piece_at (space, figures, from) / granule * granule;
  int r;

  if (piece > end - from &&
      late_error_take_blocks (space->fd, piece, from) == 0) {
    space->end = from + piece;
    return 0;
  }
  r = space->is_needed ? late_error_take_blocks (space->fd, end - from, from)
                       : 0;
  if (r == 0)
    space->end = end;
  return r;
}

int
fleece_space_take (struct fleece_space *space, struct slot_table *table,
                   const struct scratch_figures *figures, uint32_t granule,
                   uint64_t length, uint64_t *place)
{
  uint64_t n = (length + granule - 1) / granule, slot, at;
  int r;

  pthread_mutex_lock (&space->lock);
  r = slot_table_take (table, n, &slot);
  if (r == 0) {
    at = slot * granule;
    if (at + n * granule > space->end)
      r = take_blocks (space, figures, max_u64 (at, space->end),
                       at + n * granule, granule);
    if (r == 0)
      *place = at;
  }
  pthread_mutex_unlock (&space->lock);
  return r;
}
