/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The header of a qcow2 image, and whether the image can be mapped without
 * QEMU.  Source: QEMU's docs/interop/qcow2 ("Header", "Header extensions"); limits are
 * QEMU's (clusters of 512 bytes to 2 MiB, an L1 table of at most 32 MiB).
 *
 * Threads: any. */
#ifndef PULLBACK_QCOW2_HEADER_H
#define PULLBACK_QCOW2_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

/* As much as is looked at. */
#define QCOW2_HEADER_BYTES 512

struct qcow2_header {
  unsigned version;             /* 2 or 3 */
  unsigned cluster_bits;        /* 9 to 21 */
  uint64_t size;                /* of the disk, whole sectors, below 2^63 */
  bool has_backing;             /* names a backing file */
  bool has_data_file;           /* guest data is in another file */
  bool data_file_raw;           /* which has it at the guest's offsets, whole */
  bool extended_l2;             /* L2 entries have subclusters */
  uint32_t l1_size;             /* entries; all are below 2^63 */
  uint64_t l1_offset;           /* a multiple of the cluster size */
  uint32_t snapshots;           /* internal ones */
  uint64_t snapshots_offset;
};

/* Reads the header from BYTES, the first LENGTH bytes of an image (at least
 * QCOW2_HEADER_BYTES, unless the image is shorter).  -EINVAL if this is no image that can
 * be mapped; *WHY then says in a few words why, to be put behind its name ("is
 * encrypted"). */
int qcow2_header_parse (const unsigned char *bytes, size_t length,
                        struct qcow2_header *header, const char **why) WARN_UNUSED;

/* The same for what FD, which may be open with O_DIRECT, is open on; its position stays.
 * -errno if it cannot be read. */
int qcow2_probe (int fd, struct qcow2_header *header, const char **why) WARN_UNUSED;

/* Is what tables and clusters are found by the same in both?  A snapshot that was made
 * or deleted in between, or another size, makes it false. */
bool qcow2_header_same (const struct qcow2_header *one, const struct qcow2_header *other);

#endif
