/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which granules of an image clients have written to, in this try: FOLDER/DISK.written, which the
 * gateway sets before it sends a write on.  The folder is found by runtime folder and name, which another
 * daemon's restore may have as well: FOLDER/restore.id says whose it is.  Threads: one per restore. */
#ifndef PULLBACK_RESTORE_WRITTEN_H
#define PULLBACK_RESTORE_WRITTEN_H

#include "restore-model.h"

/* Fails (FAILURE_BUSY) where processes of another daemon's restore have the folder. */
int restore_written_check_unused (const struct restore *restore, struct failure *why) WARN_UNUSED;

/* Is what is in the folder another restore's? */
bool restore_written_is_others (const struct restore *restore);

/* The folder, and the maps of all images, clear. */
int restore_written_create (void *context, struct failure *why) WARN_UNUSED;

/* Removes the folder, with all that is in it. */
int restore_written_remove (void *context, struct failure *why);

/* When nobody can write any more: says of each image that was there before whether it is half
 * restored now, also in the journal.  Once: afterwards the maps are not needed. */
int restore_written_judge (void *context, struct failure *why);

/* Is the host still the one that RESTORE's clients could write in? */
bool restore_written_in_this_boot (const struct restore *restore);

/* Bytes of the granules of DISK that were written to, of the restore whose folder that is; -errno:
 * nobody knows. */
int restore_written_bytes (const char *folder, const char *disk, uint64_t *bytes) WARN_UNUSED;

#endif
