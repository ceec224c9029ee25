/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of fleece stores, emptied and removed so that storage that hangs does
 * not hang the daemon. */
#ifndef PULLBACK_BACKUP_STORE_FILES_H
#define PULLBACK_BACKUP_STORE_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "failure.h"
#include "process.h"

/* Removes the files of all disks, those NAMES (N, at least 1) and others that were left, from
 * the scratch folder of a domain, by a process of their own, and waits for it up to DEADLINE
 * (of now_ms).  Missing files are no error.
 * -ETIMEDOUT: the process is left to go on when the storage does. */
int backup_store_files_remove (const char *scratch, const char *const *names, size_t n,
                               int64_t deadline, struct failure *why) WARN_UNUSED;

/* Ends such processes of an earlier backup that may remove the files of any of these disks,
 * which must not be those of the next one.  Call before that removes what they have left, and
 * makes its files. */
void backup_store_files_end_removers (const char *scratch, const char *const *names, size_t n);

/* A process that empties a file. */
struct backup_emptier {
  struct process process;
  int said;                     /* what it complains of */
};

/* Has a process of its own take out all that is in the file that DATA_FD, for reading at
 * least, is open on, and make it SIZE bytes of zeros, of which none takes room.  It is
 * done with that very file, whatever its name leads to by then; more than once does no
 * harm. */
int backup_store_files_empty (int data_fd, uint64_t size, struct backup_emptier *emptier,
                        struct failure *why) WARN_UNUSED;

/* Never waits.  -EAGAIN: it goes on; else it is over, and EMPTIER with it. */
int backup_store_files_emptied (struct backup_emptier *emptier, struct failure *why) WARN_UNUSED;

/* Nobody asks for EMPTIER any more: it goes on by itself.  One that is over, or all
 * zeros, is none. */
void backup_store_files_leave (struct backup_emptier *emptier);

#endif
