/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sync_file_range (2), asked to wait for write-back that is under way, also says
 * whether write-back of the file has failed; the range only says what is waited
 * for.  Behind any file's end there is nothing to wait for. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <sys/vfs.h>

#include "late-error.h"

#define BEHIND_ALL_FILES (INT64_MAX - 0xfff)

void
late_error_init (struct late_error *late, int fd)
{
  late->fd = fd;
  late->error = 0;
  pthread_mutex_init (&late->lock, NULL);
}

void
late_error_destroy (struct late_error *late)
{
  pthread_mutex_destroy (&late->lock);
}

/* The kernel tells one thread alone: the others wait until it has noted it. */
int
late_error_look (struct late_error *late)
{
  int error;

  pthread_mutex_lock (&late->lock);
  if (late->error == 0 &&
      sync_file_range (late->fd, BEHIND_ALL_FILES, 0,
                       SYNC_FILE_RANGE_WAIT_BEFORE) < 0)
    late->error = errno;
  error = late->error;
  pthread_mutex_unlock (&late->lock);
  return error;
}

/* Ext4 chooses blocks when it writes back.  Where it cannot, as its bitmaps cannot
 * be read, it drops the pages and says so in the kernel's log alone.  Overlayfs may
 * have it below.  Others note it, and NFS would write back all that it has. */
bool
late_error_needs_blocks (int fd)
{
  struct statfs fs;

  return fstatfs (fd, &fs) == 0 &&
         ((uint32_t) fs.f_type == EXT4_SUPER_MAGIC ||
          (uint32_t) fs.f_type == OVERLAYFS_SUPER_MAGIC);
}

int
late_error_take_blocks (int fd, uint64_t length, uint64_t offset)
{
  int r;

  do
    r = fallocate (fd, FALLOC_FL_KEEP_SIZE, (off_t) offset,
                   (off_t) length) < 0 ? -errno : 0;
  while (r == -EINTR);
  return r == -EOPNOTSUPP ? 0 : r;
}

/* Overlayfs asks its own page cache, which has nothing; the error is noted on
 * the file below. */
bool
late_error_is_hidden (const char *folder)
{
  struct statfs fs;

  return statfs (folder, &fs) == 0 &&
         (uint32_t) fs.f_type == OVERLAYFS_SUPER_MAGIC;
}
