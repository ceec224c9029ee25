/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where was written, to be read again: a bit for a part of the disk, few enough bits for any disk.  Pure;
 * threads: one. */
#ifndef PULLBACK_DIFFER_WRITTEN_H
#define PULLBACK_DIFFER_WRITTEN_H

#include <stdint.h>

#include "cleanup.h"

#define DIFFER_WRITTEN_BITS (8 * 1024 * 1024)   /* at most */

struct differ_written {
  uint64_t size, part;          /* of the disk, and of what one bit stands for */
  uint64_t *words;
};

/* PART is at least PART_LEAST, a power of two.  -ENOMEM. */
int differ_written_init (struct differ_written *written, uint64_t size, uint64_t part_least) WARN_UNUSED;
void differ_written_free (struct differ_written *written);

/* LENGTH is not 0; inside of the disk. */
void differ_written_add (struct differ_written *written, uint64_t offset, uint64_t length);

/* The first part from AT (inside of one, or at its begin) on that was added to: where it begins, or AT
 * within it, and where it ends in *END.  The disk's size: there is none. */
uint64_t differ_written_next (const struct differ_written *written, uint64_t at, uint64_t *end);

#endif
