/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many reads at once: by io_uring, or by pread (2) where there is none.
 *
 * Threads: any; each batch belongs to one thread. */
#ifndef PULLBACK_IO_RING_H
#define PULLBACK_IO_RING_H

#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

#define IO_BATCH_MAX 128

struct io_request {
  int fd;
  char *buffer;
  uint64_t length;
  uint64_t offset;
  /* fd is O_DIRECT, and wants this of offsets and lengths, and that of buffers,
   * which is no more; else 0. */
  uint32_t align, memory_align;
  /* The file has bytes up to here; from here on they may be missing, and are
   * zeros then.  One that is missing before is -EIO.  UINT64_MAX: none may be. */
  uint64_t data_end;
};

struct io_ring_batch {
  struct io_request requests[IO_BATCH_MAX];
  size_t count;
};

/* -ENOBUFS if the batch is full. */
int io_ring_batch_add (struct io_ring_batch *batch, const struct io_request *request) WARN_UNUSED;

/* As io_ring_batch_add, but if the batch is full it is read first. */
int io_ring_batch_put (struct io_ring_batch *batch, const struct io_request *request) WARN_UNUSED;

/* Reads all and empties the batch.  When it returns, success or not, nothing
 * is under way any more.  The first error wins. */
int io_ring_batch_read (struct io_ring_batch *batch) WARN_UNUSED;

/* Frees the rings that are kept for the next batch; none may be in use. */
void io_ring_free_all (void);

#endif
