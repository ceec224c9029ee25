/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bounce-pool.h"
#include "checked-math.h"
#include "file-extents.h"
#include "source.h"

struct source_direct_raw {
  struct source source;
  int fd;
  uint32_t align;               /* 0 unless O_DIRECT */
  bool is_block_device;
  pthread_mutex_t lock;         /* protects all below */
  uint64_t data_from, data_until;  /* was found to be data */
};

static int
direct_raw_read (struct source *source, struct io_batch *batch, void *buffer,
                 uint64_t length, uint64_t offset)
{
  struct source_direct_raw *raw = (struct source_direct_raw *) source;
  struct io_request request = {
    .fd = raw->fd,
    .buffer = buffer,
    .length = length,
    .offset = offset,
    .align = raw->align,
    .zero_behind_end = true,
  };

  return io_batch_add (batch, &request);
}

/* Where a file system walks over all pages or extents up to the next hole, each
 * client's request for a part of a long run of data would walk again.  Data is
 * always a right answer, and what the guest discards becomes present in the
 * fleece store, so this never grows old. */
static void
recall_data (struct source_direct_raw *raw, uint64_t offset,
             uint64_t *data_until)
{
  pthread_mutex_lock (&raw->lock);
  if (offset >= raw->data_from && offset < raw->data_until)
    *data_until = max_u64 (*data_until, raw->data_until);
  pthread_mutex_unlock (&raw->lock);
}

/* Keeps the last data of COUNT extents from OFFSET on. */
static void
remember_data (struct source_direct_raw *raw, uint64_t offset,
               const struct source_extent *extents, size_t count,
               uint64_t data_until)
{
  uint64_t from = UINT64_MAX;
  size_t i;

  for (i = 0; i < count; i++) {
    if (!extents[i].hole)
      from = offset;
    offset += extents[i].length;
  }
  if (from >= data_until)
    return;
  pthread_mutex_lock (&raw->lock);
  if (from <= raw->data_until && data_until >= raw->data_from) {
    from = min_u64 (from, raw->data_from);
    data_until = max_u64 (data_until, raw->data_until);
  }
  raw->data_from = from;
  raw->data_until = data_until;
  pthread_mutex_unlock (&raw->lock);
}

static int
direct_raw_extents (struct source *source, uint64_t offset, uint64_t length,
                    struct source_extent *extents, size_t *count,
                    uint64_t *data_until)
{
  struct source_direct_raw *raw = (struct source_direct_raw *) source;

  if (!raw->is_block_device) {
    int r;

    recall_data (raw, offset, data_until);
    r = file_extents (raw->fd, offset, length, extents, count, data_until);
    if (r == 0)
      remember_data (raw, offset, extents, *count, *data_until);
    return r;
  }
  extents[0].length = length;
  extents[0].hole = false;
  *count = 1;
  return 0;
}

static void
direct_raw_close (struct source *source)
{
  struct source_direct_raw *raw = (struct source_direct_raw *) source;

  if (raw->fd >= 0)
    close (raw->fd);
  pthread_mutex_destroy (&raw->lock);
  free (raw);
}

static const struct source_ops direct_raw_ops = {
  .read = direct_raw_read,
  .extents = direct_raw_extents,
  .close = direct_raw_close,
};

/* What O_DIRECT wants of offsets and buffers. */
static uint32_t
direct_io_align (int fd)
{
  uint32_t align = BOUNCE_ALIGN;
#ifdef STATX_DIOALIGN
  struct statx st;

  if (statx (fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) == 0 &&
      (st.stx_mask & STATX_DIOALIGN) != 0 && st.stx_dio_offset_align != 0)
    align = (uint32_t) max_u64 (st.stx_dio_offset_align,
                                st.stx_dio_mem_align);
#endif
  if (align > BOUNCE_ALIGN || (align & (align - 1)) != 0)
    align = BOUNCE_ALIGN;
  return align;
}

/* QEMU rounds the size of an image up to whole sectors. */
static int
check_size (int fd, const struct stat *st, const char *path, const char *disk,
            uint64_t disk_size, struct failure *why)
{
  off_t size = S_ISBLK (st->st_mode) ? lseek (fd, 0, SEEK_END) : st->st_size;

  if (size < 0)
    return failure_set (why, FAILURE_STORAGE, errno, "disk %s: cannot tell the "
                        "size of %s: %s", disk, path, strerror (errno));
  if (disk_size > round_up_pow2 ((uint64_t) size, 512))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "disk %s: %s has "
                        "%" PRIu64 " bytes but the disk has %" PRIu64 "; is it "
                        "the right image?", disk, path, (uint64_t) size,
                        disk_size);
  return 0;
}

static int
open_image (struct source_direct_raw *raw, const char *path, bool direct_io,
            const char *disk, uint64_t disk_size, struct failure *why)
{
  struct stat st;

  /* O_NONBLOCK: a FIFO must not hang us. */
  raw->fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK |
                        (direct_io ? O_DIRECT : 0));
  if (raw->fd < 0 && errno == EINVAL && direct_io)
    return failure_set (why, FAILURE_STORAGE, EINVAL, "disk %s: the file "
                        "system of %s has no O_DIRECT (direct-io=yes)", disk,
                        path);
  if (raw->fd < 0 || fstat (raw->fd, &st) < 0)
    return failure_set (why, FAILURE_STORAGE, errno, "disk %s: cannot open "
                        "%s: %s", disk, path, strerror (errno));
  if (!S_ISREG (st.st_mode) && !S_ISBLK (st.st_mode))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "disk %s: %s is "
                        "neither a file nor a block device", disk, path);
  raw->is_block_device = S_ISBLK (st.st_mode);
  raw->align = direct_io ? direct_io_align (raw->fd) : 0;
  return check_size (raw->fd, &st, path, disk, disk_size, why);
}

int
source_direct_raw_open (const char *path, bool direct_io, const char *disk,
                        uint64_t disk_size, struct source **result,
                        struct failure *why)
{
  struct source_direct_raw *raw = calloc (1, sizeof *raw);
  int r;

  if (raw == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "no memory for disk %s",
                        disk);
  raw->source.ops = &direct_raw_ops;
  raw->fd = -1;
  pthread_mutex_init (&raw->lock, NULL);
  r = open_image (raw, path, direct_io, disk, disk_size, why);
  if (r < 0) {
    direct_raw_close (&raw->source);
    return r;
  }
  *result = &raw->source;
  return 0;
}
