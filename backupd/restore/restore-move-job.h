/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the thread of a move asks qemu-storage-daemon for. */
#ifndef PULLBACK_RESTORE_MOVE_JOB_H
#define PULLBACK_RESTORE_MOVE_JOB_H

#include "restore-instant.h"

/* The next piece of DISK comes into its image; after the last one, and now and then, the journal says how
 * far all is on stable storage.  -ECANCELED: the thread is to stop. */
int restore_move_job_piece (struct restore_instant *move, struct restore_moved *disk,
                            uint64_t rate, struct failure *why) WARN_UNUSED;

/* Its connection, if there is one, ends. */
void restore_move_job_close (struct restore_moved *disk);

#endif
