/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One qcow2 image: where in its file the disk's bytes are.  Source: QEMU's
 * docs/interop/qcow2 ("Cluster mapping", "Extended L2 Entries").
 *
 * Threads: any. */
#ifndef PULLBACK_QCOW2_LAYER_H
#define PULLBACK_QCOW2_LAYER_H

#include <stdint.h>

#include "image-file.h"
#include "qcow2-header.h"
#include "qcow2-tables.h"

enum qcow2_kind {
  QCOW2_UNALLOCATED,            /* what is below shows */
  QCOW2_ZERO,
  QCOW2_DATA,
  QCOW2_COMPRESSED,
  QCOW2_UNKNOWN,                /* the tables cannot be read, or are not valid */
};

struct qcow2_layer {
  struct qcow2_header header;
  struct image_file file;
  struct image_file data;       /* the external data file, if it has one */
  unsigned index;               /* from 0, in its chain */
  bool sparse;                  /* see qcow2_place */
};

/* A part of the disk that is alike, at least one byte long. */
struct qcow2_run {
  enum qcow2_kind kind;
  uint64_t host;                /* QCOW2_DATA: where in the file it begins */
  uint64_t length;
  /* QCOW2_DATA: 0, or rule D2: what was read of it counts only if the guest had not written any
   * of the WHOLE bytes of the disk around it, aligned to as many, within which the run ends. */
  uint64_t whole;
};

/* What is at OFFSET, and how far it is alike, but no further than LIMIT (at least 1, and
 * OFFSET + LIMIT no more than the header's size) and perhaps less.
 * HOST is what the table says: the file may be shorter. */
void qcow2_layer_map (const struct qcow2_layer *layer, struct qcow2_tables *tables,
                      uint64_t offset, uint64_t limit, struct qcow2_run *run);

#endif
