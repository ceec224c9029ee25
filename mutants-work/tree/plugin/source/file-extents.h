/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PULLBACK_FILE_EXTENTS_H
#define PULLBACK_FILE_EXTENTS_H

#include "source.h"

/* The extents of FD by SEEK_DATA and SEEK_HOLE, as source_ops.extents.  What
 * the file system cannot tell is data; behind the end is a hole. */
int file_extents (int fd, uint64_t offset, uint64_t length,
                  struct source_extent *extents, size_t *count,
                  uint64_t *data_until) WARN_UNUSED;

#endif
