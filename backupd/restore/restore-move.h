/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The move of an instant restore: a thread that has qemu-storage-daemon copy what the images do
 * not have yet from their sources, and notes how far that is.  An image is moved
 * when all of that is on stable storage and in the journal: from then on its source is not needed.
 * What has come into the image stays there, so that a move that was interrupted goes on.
 *
 * It never ends by itself before all is moved: where a source cannot be read, or there is no room,
 * it waits, says why, and tries again.  Where a source is not what it was, clients are cut
 * off, as what they would read may be wrong, and the restore is broken.
 *
 * Threads: the caller has the restore. */
#ifndef PULLBACK_RESTORE_MOVE_H
#define PULLBACK_RESTORE_MOVE_H

#include "restore-model.h"

/* Steps (steps.h); of a restore that is not instant, nothing.  Start needs
 * qemu-storage-daemon. */
int restore_move_start (void *context, struct failure *why) WARN_UNUSED;
int restore_move_stop (void *context, struct failure *why);

/* MAX_RATE: bytes per second, below 1 as it is; PAUSE, or go on.  The journal says so, or will before
 * long. */
int restore_move_steer (struct restore *restore, int64_t max_rate, bool pause,
                        struct failure *why) WARN_UNUSED;

#endif
