/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parts of the tables (L1 and L2) of a chain of qcow2 images, read when they are asked for
 * and kept within a bound.
 *
 * Threads: any. */
#ifndef PULLBACK_QCOW2_TABLES_H
#define PULLBACK_QCOW2_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "cleanup.h"
#include "image-file.h"

/* A table is read in slices of so many bytes, or whole if it is shorter.  With clusters
 * of 64 KiB one L2 slice is for 128 MiB of the disk. */
#define QCOW2_SLICE_MAX 16384u

/* All slices that are kept, of the whole chain. */
#define QCOW2_TABLES_BYTES (4u << 20)

struct qcow2_tables;

/* Which slice: LENGTH bytes (at most QCOW2_SLICE_MAX) at OFFSET of FILE, of the image
 * LAYER. */
struct qcow2_want {
  const struct image_file *file;
  uint64_t offset;
  uint32_t length;
  unsigned layer;
  /* Rule D2: where it may be freed it counts only if the word at NAMED_AT of the file, which says
   * where the table is, is NAMED, big-endian, also after it has been read. */
  bool may_be_freed;
  uint64_t named_at, named;
};

/* A slice that is being looked at. */
struct qcow2_slice {
  const uint64_t *entries;      /* as in the file: big-endian */
  void *lock;                   /* for qcow2_tables_release */
};

/* NULL: no memory. */
struct qcow2_tables *qcow2_tables_create (void);
void qcow2_tables_destroy (struct qcow2_tables *tables);

/* To be released at once: others that want a slice may wait for it, and who
 * holds one asks for no other.  -EIO if the file lacks it, -ESTALE if the table is another one
 * now. */
int qcow2_tables_hold (struct qcow2_tables *tables, const struct qcow2_want *want,
                       struct qcow2_slice *slice) WARN_UNUSED;
void qcow2_tables_release (const struct qcow2_slice *slice);

/* Nobody is given what is kept of it any more. */
void qcow2_tables_forget (struct qcow2_tables *tables, unsigned layer, uint64_t offset);

#endif
