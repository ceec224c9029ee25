/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fleece store of one disk, made and removed so that storage that hangs does
 * not hang the daemon. */
#ifndef PULLBACK_BACKUP_STORE_FILES_H
#define PULLBACK_BACKUP_STORE_FILES_H

#include <stdint.h>

#include "cleanup.h"
#include "failure.h"

/* Removes NAME's files from the scratch folder, by a process of their own, and
 * waits for it up to DEADLINE (of now_ms).  Missing files are no error.
 * -ETIMEDOUT: the process is left to go on when the storage does. */
int backup_store_files_remove (const char *scratch, const char *name, int64_t deadline,
                        struct failure *why) WARN_UNUSED;

/* Ends such processes of an earlier backup, which must not remove the files of
 * the next one.  Call before that makes its files. */
void backup_store_files_end_removers (const char *scratch, const char *name);

#endif
