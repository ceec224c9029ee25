/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plain pwrite, by the thread of nbdkit's that has the payload: a write into the page
 * cache is a copy and no more, which io_uring hands to a thread of the kernel's.  fio's
 * writes of 256 KiB on ext4, with nothing else between: 6.4 to 8 GiB/s by pwrite, 2.8 to
 * 4.1 by io_uring.
 *
 * FUA is a flush of all.  RWF_DSYNC would sync just the range, but takes an error of the
 * write-back of other ranges with it, and says it of a write that may have failed for
 * want of space alone. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checked-math.h"
#include "full-io.h"
#include "plugin-role.h"
#include "restore-disk.h"

/* Block devices give back and zero whole blocks of theirs, which are no larger. */
#define BLOCK_MAX UINT64_C (4096)
#define ZEROES_MAX (UINT32_C (1) << 20)

static int
check_access (const struct restore_disk *disk, const char *name, int fd,
              struct failure *why)
{
  int flags = fcntl (disk->file.fd, F_GETFL);

  if (flags >= 0 && (flags & O_ACCMODE) == O_RDWR && (flags & O_DIRECT) == 0)
    return 0;
  return failure_set (why, FAILURE_BAD_ARGUMENT, EBADF, "disk %s: descriptor "
                      "%d must be open for reading and writing, without "
                      "O_DIRECT", name, fd);
}

int
restore_disk_open (struct restore_disk *disk, const struct disk_config *config,
                   struct failure *why)
{
  char name[64];
  off_t size;
  int r;

  snprintf (name, sizeof name, "descriptor %d", config->target_fd);
  pthread_mutex_init (&disk->lock, NULL);
  pthread_cond_init (&disk->synced, NULL);
  disk->syncing = false;
  disk->begun = disk->done = 0;
  disk->lost = 0;
  disk->file.fd = -1;
  r = image_file_take (&disk->file, config->target_fd, name, config->target_id,
                       config->name, why);
  if (r == 0)
    r = check_access (disk, config->name, config->target_fd, why);
  if (r < 0)
    return r;
  size = lseek (disk->file.fd, 0, SEEK_END);
  if (size < 0)
    return failure_set (why, FAILURE_STORAGE, errno, "disk %s: cannot tell the "
                        "size of %s: %s", config->name, name,
                        strerror (errno));
  disk->size = (uint64_t) size;
  return 0;
}

void
restore_disk_close (struct restore_disk *disk)
{
  image_file_close (&disk->file);
  pthread_cond_destroy (&disk->synced);
  pthread_mutex_destroy (&disk->lock);
}

int
restore_disk_read (struct restore_disk *disk, void *buffer, uint32_t count,
                   uint64_t offset)
{
  return full_pread (disk->file.fd, buffer, count, offset);
}

int
restore_disk_write (struct restore_disk *disk, const void *buffer,
                    uint32_t count, uint64_t offset)
{
  return full_pwrite (disk->file.fd, buffer, count, offset);
}

static int
allocate (const struct restore_disk *disk, int mode, uint64_t offset,
          uint64_t length)
{
  int r;

  do
    r = fallocate (disk->file.fd, mode | FALLOC_FL_KEEP_SIZE, (off_t) offset,
                   (off_t) length);
  while (r < 0 && errno == EINTR);
  return r == 0 ? 0 : errno == ENOSYS ? -EOPNOTSUPP : -errno;
}

static int
write_zeroes (struct restore_disk *disk, uint64_t offset, uint64_t length)
{
  static const char zeroes[ZEROES_MAX];
  int r = 0;

  while (r == 0 && length > 0) {
    uint32_t n = (uint32_t) min_u64 (length, sizeof zeroes);

    r = restore_disk_write (disk, zeroes, n, offset);
    offset += n;
    length -= n;
  }
  return r;
}

/* By the file system or the device alone.  What a device does without giving space back
 * may be to write, which is not fast. */
static int
zero_range (const struct restore_disk *disk, uint64_t offset, uint64_t length,
            unsigned flags)
{
  int r = -EOPNOTSUPP;

  if ((flags & ROLE_MAY_TRIM) != 0)
    r = allocate (disk, FALLOC_FL_PUNCH_HOLE, offset, length);
  if (r == -EOPNOTSUPP &&
      !(disk->file.is_block_device && (flags & ROLE_FAST) != 0))
    r = allocate (disk, FALLOC_FL_ZERO_RANGE, offset, length);
  return r;
}

int
restore_disk_zero (struct restore_disk *disk, uint32_t count, uint64_t offset,
                   unsigned flags)
{
  uint64_t end = offset + count, first = offset, last = end;
  int r = 0;

  if (disk->file.is_block_device) {
    first = min_u64 (round_up_pow2 (offset, BLOCK_MAX), end);
    last = max_u64 (round_down_pow2 (end, BLOCK_MAX), first);
  }
  if (first < last)
    r = zero_range (disk, first, last - first, flags);
  if (r == -EOPNOTSUPP && (flags & ROLE_FAST) == 0)
    r = write_zeroes (disk, first, last - first);
  /* Less than a block is fast. */
  if (r == 0)
    r = write_zeroes (disk, offset, first - offset);
  return r == 0 ? write_zeroes (disk, last, end - last) : r;
}

int
restore_disk_trim (struct restore_disk *disk, uint32_t count, uint64_t offset)
{
  uint64_t first = offset, last = offset + count;
  int r = 0;

  if (disk->file.is_block_device) {
    first = round_up_pow2 (first, BLOCK_MAX);
    last = round_down_pow2 (last, BLOCK_MAX);
  }
  if (first < last)
    r = allocate (disk, FALLOC_FL_PUNCH_HOLE, first, last - first);
  return r == -EOPNOTSUPP ? 0 : r;
}

static int
sync_data (const struct restore_disk *disk)
{
  int r;

  do
    r = fdatasync (disk->file.fd);
  while (r < 0 && errno == EINTR);
  return r < 0 ? -errno : 0;
}

/* One at a time, for all who have asked before it begins: of two at once the kernel tells one
 * of a lost write, and the other might be answered before that is known. */
static void
sync_for_all_locked (struct restore_disk *disk)
{
  int error;

  disk->syncing = true;
  disk->begun++;
  pthread_mutex_unlock (&disk->lock);
  error = sync_data (disk);
  pthread_mutex_lock (&disk->lock);
  if (disk->lost == 0)
    disk->lost = error;
  disk->syncing = false;
  disk->done = disk->begun;
  pthread_cond_broadcast (&disk->synced);
}

int
restore_disk_flush (struct restore_disk *disk)
{
  uint64_t next;
  int error;

  pthread_mutex_lock (&disk->lock);
  next = disk->begun + 1;
  while (disk->done < next)
    if (disk->syncing)
      pthread_cond_wait (&disk->synced, &disk->lock);
    else
      sync_for_all_locked (disk);
  error = disk->lost;
  pthread_mutex_unlock (&disk->lock);
  return error;
}
