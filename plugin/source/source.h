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

  /* May be NULL, both.  confirm is asked when all has been read that was asked for
   * since way returned WAY: 0, or -ESTALE if it may be wrong and is to be asked for
   * again, once, or -EIO if it cannot be had any more. */
  unsigned (*way) (struct source *source);
  int (*confirm) (struct source *source, unsigned way);

  /* image_file_read_ahead of all its files; NULL: it has none. */
  void (*read_ahead) (struct source *source, bool ahead);

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

static inline unsigned
source_way (struct source *source)
{
  return source->ops->way != NULL ? source->ops->way (source) : 0;
}

static inline int
source_confirm (struct source *source, unsigned way)
{
  return source->ops->confirm != NULL ? source->ops->confirm (source, way) : 0;
}

static inline void
source_read_ahead (struct source *source, bool ahead)
{
  if (source->ops->read_ahead != NULL)
    source->ops->read_ahead (source, ahead);
}

static inline void
source_close (struct source *source)
{
  if (source != NULL)
    source->ops->close (source);
}

enum source_kind {
  SOURCE_NONE,
#define SOURCE(name, ...) SOURCE_##name,
#include "source-kinds.tbl.h"
#undef SOURCE
};

/* What a kind wants beside its value. */
#define SOURCE_MAY_BE_DIRECT_IO 1       /* direct_io */
#define SOURCE_IS_DESCRIPTOR 2          /* the value is fd; and id */
#define SOURCE_MAY_HAVE_RELAY 4         /* relay */

struct source_config {
  enum source_kind kind;
  char *value;                  /* path, URI or chain */
  char *relay;                  /* URI of what the base itself cannot be read; or NULL */
  uint64_t relay_cluster;       /* bytes of the largest cluster of what is behind the URI, or
                                 * one of these (rule D10) */
#define SOURCE_CLUSTER_UNKNOWN 0
#define SOURCE_CLUSTER_NONE 1
  bool direct_io;               /* open it with O_DIRECT */
  /* An inherited descriptor, which moves to the source, and what it must be
   * open on (file-identity.h).  Its file status flags count: O_DIRECT if it has
   * that.  They and the file position may be shared with other processes; only
   * O_NONBLOCK is changed (cleared), and nothing depends on the position. */
  int fd;
  char *id;
  /* May the guest have written any of it since the freeze?  To be asked when it has been
   * read; all is inside the disk.  NULL: not known. */
  bool (*written) (void *context, uint64_t offset, uint64_t length);
  void *written_context;
};

/* Opens the base that CONFIG (borrowed) says, of the disk DISK (for messages) of
 * DISK_SIZE bytes, and looks whether it can be read and has that size. */
int source_open (const struct source_config *config, const char *disk, uint64_t disk_size,
                 struct source **source, struct failure *why) WARN_UNUSED;

/* The same for one kind; for source_open and for sources that need others. */
#define SOURCE(name, key, value, help, wants, open) \
  int open (const struct source_config *config, const char *disk, \
            uint64_t disk_size, struct source **source, struct failure *why);
#include "source-kinds.tbl.h"
#undef SOURCE

#endif
