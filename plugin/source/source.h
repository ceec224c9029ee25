/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A base: something that returns a disk's *current* bytes (rule V5).
 *
 * Threads: everything but close may be called by many threads at once. */
#ifndef PULLBACK_SOURCE_H
#define PULLBACK_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "failure.h"
#include "io-ring.h"

struct source_extent {
  uint64_t length;
  bool hole;                    /* reads as zeros, takes no space */
};

struct source;

struct source_ops {
  /* Reads into BUFFER, or puts the read into BATCH: it is complete when
   * io_ring_batch_read has returned.  What the last sector lacks is zeros; a base
   * that has become shorter is -EIO, for extents as well. */
  int (*read) (struct source *source, struct io_ring_batch *batch, void *buffer,
               uint64_t length, uint64_t offset);

  /* Fills at most *COUNT extents that follow each other from OFFSET on and do
   * not go past OFFSET+LENGTH (LENGTH > 0), and sets *COUNT to how many, at
   * least 1; each is at least one byte long.  *DATA_UNTIL is 0 for the first
   * call of a client's request and kept between its calls: what lies before it
   * was found to be data, which is always a right answer. */
  int (*extents) (struct source *source, uint64_t offset, uint64_t length,
                  struct source_extent *extents, size_t *count,
                  uint64_t *data_until);

  void (*close) (struct source *source);
};

/* First member of each kind of source. */
struct source {
  const struct source_ops *ops;
};

static inline int
source_read (struct source *source, struct io_ring_batch *batch, void *buffer,
             uint64_t length, uint64_t offset)
{
  return source->ops->read (source, batch, buffer, length, offset);
}

static inline int
source_extents (struct source *source, uint64_t offset, uint64_t length,
                struct source_extent *extents, size_t *count,
                uint64_t *data_until)
{
  return source->ops->extents (source, offset, length, extents, count,
                               data_until);
}

static inline void
source_close (struct source *source)
{
  if (source != NULL)
    source->ops->close (source);
}

/* The raw image or block device PATH of the disk DISK (for messages) of
 * DISK_SIZE bytes; O_DIRECT if DIRECT_IO. */
int source_direct_raw_open (const char *path, bool direct_io, const char *disk,
                            uint64_t disk_size, struct source **source,
                            struct failure *why) WARN_UNUSED;

/* The same for one that was inherited open as FD (moves here) and must be ID
 * (file-identity.h).  Its file status flags count: O_DIRECT if it has that.
 * They and the file position may be shared with other processes; only
 * O_NONBLOCK is changed (cleared), and nothing depends on the position. */
int source_direct_raw_open_fd (int fd, const char *id, const char *disk,
                               uint64_t disk_size, struct source **source,
                               struct failure *why) WARN_UNUSED;

/* The NBD export URI; connects once to check it. */
int source_relay_open (const char *uri, const char *disk, uint64_t disk_size,
                       struct source **source, struct failure *why) WARN_UNUSED;

#endif
