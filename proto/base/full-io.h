/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Exact I/O.  All return 0 or -errno; EINTR is retried; the end of a file or
 * stream before LENGTH bytes is -EIO for files and -ECONNRESET for streams.
 * Threads: reentrant. */
#ifndef PULLBACK_FULL_IO_H
#define PULLBACK_FULL_IO_H

#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

int full_pread (int fd, void *buffer, size_t length, uint64_t offset) WARN_UNUSED;
int full_pwrite (int fd, const void *buffer, size_t length, uint64_t offset) WARN_UNUSED;

/* Streams (sockets, pipes).  Writing to a closed peer is -EPIPE, never a
 * signal, on sockets. */
int full_recv (int fd, void *buffer, size_t length) WARN_UNUSED;
int full_send (int fd, const void *buffer, size_t length) WARN_UNUSED;

/* The regular file PATH (no symbolic link), of at most MAX bytes: -EFBIG, -EINVAL.
 * *TEXT is new, to be freed with free, and has a 0 after its LENGTH (may be NULL) bytes. */
int file_read (const char *path, size_t max, char **text, size_t *length) WARN_UNUSED;

/* Replaces PATH by LENGTH bytes so that a crash leaves the old file or the
 * new one: temporary file beside it, fsync, rename, fsync of the folder. */
int file_replace (const char *path, const void *data, size_t length) WARN_UNUSED;

/* Removes PATH so that it does not come back after a crash.  Missing: success. */
int file_remove (const char *path) WARN_UNUSED;

/* Removes the temporary file that a crash in file_replace left, if there is one. */
void file_replace_tidy (const char *path);

#endif
