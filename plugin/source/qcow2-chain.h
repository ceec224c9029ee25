/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A chain of images, of which the top one is the disk: where in which file its bytes
 * are.
 *
 * Threads: any, but for open and close. */
#ifndef PULLBACK_QCOW2_CHAIN_H
#define PULLBACK_QCOW2_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "failure.h"
#include "qcow2-layer.h"
#include "source.h"

/* More images than this are refused. */
#define QCOW2_CHAIN_MAX 200

struct qcow2_chain;

/* A part of the disk that is alike, at least one byte long. */
struct qcow2_place {
  /* QCOW2_DATA, QCOW2_ZERO, QCOW2_COMPRESSED or QCOW2_UNKNOWN. */
  enum qcow2_kind kind;
  uint64_t length;
  /* QCOW2_DATA: it begins at HOST of FILE or of RAW; the other one is NULL. */
  const struct image_file *file;
  struct source *raw;
  uint64_t host;
  uint64_t whole;               /* as in struct qcow2_run */
  /* FILE has so little on disk that there may be holes within what the tables call data,
   * and QEMU looks for them. */
  bool sparse;
};

/* Opens what CONFIG says, "FORMAT:FD:ID,..." or "FORMAT:PATH,..." (see the plugin's manual
 * page), of the disk DISK (for messages) of DISK_SIZE bytes.  Descriptors move to the
 * chain; after a failure some may be open, as the process ends then. */
int qcow2_chain_open (const struct source_config *config, const char *disk,
                      uint64_t disk_size, struct qcow2_chain **chain,
                      struct failure *why) WARN_UNUSED;
void qcow2_chain_close (struct qcow2_chain *chain);

/* What is at OFFSET, and how far it is alike, but no further than LIMIT (at least 1; all
 * inside the disk) and perhaps less. */
void qcow2_chain_map (const struct qcow2_chain *chain, uint64_t offset, uint64_t limit,
                      struct qcow2_place *place);

/* Bytes of a cluster of the top image; of a raw one 1. */
uint64_t qcow2_chain_cluster (const struct qcow2_chain *chain);

/* image_file_read_ahead of all its files. */
void qcow2_chain_read_ahead (const struct qcow2_chain *chain, bool ahead);

/* Rule D3: false once clusters may have been freed since the chain was opened.  To be
 * asked when all that it is asked for has been read. */
bool qcow2_chain_is_as_opened (const struct qcow2_chain *chain);

#endif
