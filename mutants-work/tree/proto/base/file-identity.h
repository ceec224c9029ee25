/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which file a descriptor is open on, as text that two processes of one host
 * can compare.  Threads: any. */
#ifndef PULLBACK_FILE_IDENTITY_H
#define PULLBACK_FILE_IDENTITY_H

#include <stdbool.h>
#include <sys/stat.h>

#define FILE_IDENTITY_SIZE 64

/* "file:DEVICE:INODE", or "block:DEVICE" of a block device, whatever node of
 * the file system it was opened by. */
void file_identity_text (const struct stat *st, char text[FILE_IDENTITY_SIZE]);

bool file_identity_same (const struct stat *one, const struct stat *other);

#endif
