/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which bitmaps of an image tell what has changed on it since a checkpoint.  The checkpoint is
 * looked for in the catalogs of all domains: it is the image that says whose it is.
 *
 * Threads: any. */
#ifndef PULLBACK_RESTORE_RANGE_H
#define PULLBACK_RESTORE_RANGE_H

#include <stdint.h>

#include <glib.h>

#include "restore-target.h"

struct restore_range {
  char *domain;                 /* whose checkpoint it is, and */
  char *disk;                   /* what it calls the image */
  GPtrArray *bitmaps;           /* their names, oldest first, and NULL */
  uint64_t oldest_size;         /* of the disk, when the checkpoint was made */
};

/* Of the checkpoint NAME of the image that TARGET has open, by the catalogs below the folder STATE.
 * What bitmaps there are in the image is not looked at.  FAILURE_CHECKPOINT_NOT_FOUND;
 * FAILURE_CHAIN, with the reason alone in WHY: what has changed is not known. */
int restore_range_find (const char *state, const char *name, const struct restore_target *target,
                        struct restore_range **range, struct failure *why) WARN_UNUSED;

/* NULL is nothing. */
void restore_range_free (struct restore_range *range);

#endif
