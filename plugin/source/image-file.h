/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An open file or block device that images are read from, and how it wants to be read.
 *
 * Threads: any, but for take, open and close. */
#ifndef PULLBACK_IMAGE_FILE_H
#define PULLBACK_IMAGE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "failure.h"
#include "io-ring.h"

struct image_file {
  int fd;                       /* -1: none */
  uint32_t align, memory_align; /* as io_request's */
  bool is_block_device;
};

/* FD moves here, also on failure.  NAME and DISK are for messages.  If ID is not NULL it
 * must be open on that (file-identity.h).  Other processes may share the open file: of
 * its status flags only O_NONBLOCK is changed (cleared), and see image_file_read_ahead. */
int image_file_take (struct image_file *file, int fd, const char *name, const char *id,
                     const char *disk, struct failure *why) WARN_UNUSED;

/* By its path, with O_DIRECT if DIRECT_IO. */
int image_file_open (struct image_file *file, const char *path, bool direct_io,
                     const char *disk, struct failure *why) WARN_UNUSED;

/* What to put into a batch to read [offset, offset+length): what the file lacks of it is
 * -EIO. */
struct io_request image_file_request (const struct image_file *file, void *buffer,
                                      uint64_t length, uint64_t offset);

/* Reads it now. */
int image_file_read (const struct image_file *file, void *buffer, uint64_t length,
                     uint64_t offset) WARN_UNUSED;

/* Whether the kernel may read more than it is asked for, as it may when opened: that is
 * up to the device's read_ahead_kb, in one go, which is long for others who wait for the
 * disk.  It cannot fail; nothing changes for O_DIRECT, or if fd is -1. */
void image_file_read_ahead (const struct image_file *file, bool ahead);

/* Also of one that was never opened, where fd is -1. */
void image_file_close (struct image_file *file);

#endif
