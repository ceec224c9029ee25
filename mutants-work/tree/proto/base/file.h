/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small files, as a whole.  All return 0 or -errno.  Threads: one per path. */
#ifndef PULLBACK_FILE_H
#define PULLBACK_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "cleanup.h"

/* The regular file PATH (no symbolic link), of at most MAX bytes: -EFBIG, -EINVAL.
 * *TEXT is new, to be freed with free, and has a 0 after its LENGTH (may be NULL) bytes. */
int file_read (const char *path, size_t max, char **text, size_t *length) WARN_UNUSED;

/* Replaces PATH by LENGTH bytes so that a crash leaves the old file or the
 * new one: temporary file beside it, fsync, rename, fsync of the folder. */
int file_replace (const char *path, const void *data, size_t length) WARN_UNUSED;

/* Makes the folder PATH, where there is none yet, so that it is there after a crash. */
int file_make_folder (const char *path, mode_t mode) WARN_UNUSED;

/* Removes PATH so that it does not come back after a crash.  Missing: success. */
int file_remove (const char *path) WARN_UNUSED;

/* Removes the temporary file that a crash in file_replace left, if there is one. */
void file_replace_tidy (const char *path);

#endif
