/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images that are made equal to other disks by pullback-differ: restore-begin --differing-from.
 * Each has a process of its own, which is a client of the restore like any other.
 *
 * Threads: the caller has the restore, unless said otherwise. */
#ifndef PULLBACK_RESTORE_COPY_H
#define PULLBACK_RESTORE_COPY_H

#include "restore-model.h"

/* Which images, as GIVEN says ("[DISK=]URI"); it must be there until the copies are started. */
int restore_copy_plan (struct restore *restore, struct failure *why) WARN_UNUSED;

/* Steps, as steps.h says.  The copies go on when the first has returned. */
int restore_copy_start (void *context, struct failure *why) WARN_UNUSED;
int restore_copy_stop (void *context, struct failure *why);

/* Ends those of a daemon that died. */
void restore_copy_end_leftovers (const struct restore *restore);

enum restore_copy {
  RESTORE_COPY_NONE,            /* there is nothing to copy */
  RESTORE_COPY_COPYING, RESTORE_COPY_COPIED, RESTORE_COPY_FAILED
};

/* Of all its images: one that failed counts before one that copies, and that before those that are
 * done.  WHY: the sentence of the one that failed.  Also under the lock of restore-registry.c where nobody has
 * the restore. */
enum restore_copy restore_copy_look (const struct restore *restore, struct failure *why);

/* Fails unless all is copied: FAILURE_BUSY, or FAILURE_BROKEN. */
int restore_copy_check (const struct restore *restore, struct failure *why) WARN_UNUSED;

/* How far the copy to DISK is, as pullback-differ(8) has it in its file; new, NULL: not known. */
json_object *restore_copy_counts (const char *folder, const char *disk);

#endif
