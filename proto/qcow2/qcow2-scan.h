/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A walk over all tables of a qcow2 image.
 *
 * Threads: any. */
#ifndef PULLBACK_QCOW2_SCAN_H
#define PULLBACK_QCOW2_SCAN_H

#include "qcow2-header.h"

/* Has the image that FD, which may be open with O_DIRECT, is open on compressed clusters?  1, 0, or
 * -errno where its tables cannot be read.  Reads the tables once: 128 MiB for a TiB in
 * clusters of 64 KiB.  QEMU may have it open: a guest makes none. */
int qcow2_has_compressed (int fd, const struct qcow2_header *header) WARN_UNUSED;

/* May QEMU give a cluster of more than 1 << UNIT_BITS bytes free when a part of it is written, as it
 * copies it first: where its entry does not say that nobody else has it?  1, 0 or -errno.
 * Reads the tables only where clusters are as large. */
int qcow2_may_free (int fd, const struct qcow2_header *header, unsigned unit_bits) WARN_UNUSED;

#endif
