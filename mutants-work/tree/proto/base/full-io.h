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

#endif
