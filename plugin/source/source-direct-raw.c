/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything is asked of an open descriptor and nothing of a path: QEMU's file
 * may be renamed, replaced or unlinked while it is being read.  Its size is of
 * when it was opened; that it has grown is harmless, that it has shrunk is an
 * error and never zeros. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bounce-pool.h"
#include "checked-math.h"
#include "file-extents.h"
#include "file-identity.h"
#include "source.h"

struct source_direct_raw {
  struct source source;
  int fd;
  uint32_t align, memory_align; /* as io_request's */
  uint64_t image_size;          /* when it was opened; it may grow */
  bool is_block_device;
  pthread_mutex_t lock;         /* protects all below */
  uint64_t data_from, data_until;  /* was found to be data */
};

static int
direct_raw_read (struct source *source, struct io_ring_batch *batch,
                 void *buffer, uint64_t length, uint64_t offset)
{
  struct source_direct_raw *raw = (struct source_direct_raw *) source;
  struct io_request request = {
    .fd = raw->fd,
    .buffer = buffer,
    .length = length,
    .offset = offset,
    .align = raw->align,
    .memory_align = raw->memory_align,
    .data_end = raw->image_size,
  };

  return io_ring_batch_add (batch, &request);
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

/* A hole behind the end of a file that became shorter is not the disk's. */
static int
file_is_whole (const struct source_direct_raw *raw)
{
  struct stat st;

  if (fstat (raw->fd, &st) < 0)
    return -errno;
  return (uint64_t) st.st_size < raw->image_size ? -EIO : 0;
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
      r = file_is_whole (raw);
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

static bool
is_alignment (uint32_t align)
{
  return align != 0 && align <= BOUNCE_ALIGN && (align & (align - 1)) == 0;
}

/* What O_DIRECT wants of offsets, and of buffers, which is often less: 4 bytes of
 * most NVMe drives, where no buffer then needs to be bounced. */
static void
take_alignment (struct source_direct_raw *raw)
{
#ifdef STATX_DIOALIGN
  struct statx st;
#endif

  raw->align = raw->memory_align = BOUNCE_ALIGN;
#ifdef STATX_DIOALIGN
  if (statx (raw->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) < 0 ||
      (st.stx_mask & STATX_DIOALIGN) == 0 ||
      !is_alignment (st.stx_dio_offset_align) ||
      !is_alignment (st.stx_dio_mem_align))
    return;
  raw->memory_align = st.stx_dio_mem_align;
  raw->align = (uint32_t) max_u64 (st.stx_dio_offset_align,
                                   st.stx_dio_mem_align);
#endif
}

/* Takes the size, which may lack a part of the disk's last sector: QEMU rounds
 * the size of an image up to whole sectors. */
static int
take_size (struct source_direct_raw *raw, const struct stat *st,
           const char *path, const char *disk, uint64_t disk_size,
           struct failure *why)
{
  off_t size = raw->is_block_device ? lseek (raw->fd, 0, SEEK_END)
                                    : st->st_size;

  if (size < 0)
    return failure_set (why, FAILURE_STORAGE, errno, "disk %s: cannot tell the "
                        "size of %s: %s", disk, path, strerror (errno));
  if (disk_size > round_up_pow2 ((uint64_t) size, 512))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "disk %s: %s has "
                        "%" PRIu64 " bytes but the disk has %" PRIu64 "; is it "
                        "the right image?", disk, path, (uint64_t) size,
                        disk_size);
  raw->image_size = (uint64_t) size;
  return 0;
}

/* Looks at what raw->fd is and gets it ready for reading.  PATH and ID as in
 * source.h; ID may be NULL. */
static int
take_image (struct source_direct_raw *raw, const char *path, const char *id,
            const char *disk, uint64_t disk_size, struct failure *why)
{
  char found[FILE_IDENTITY_SIZE];
  int flags = fcntl (raw->fd, F_GETFL);
  struct stat st;

  if (flags < 0 || fstat (raw->fd, &st) < 0)
    return failure_set (why, FAILURE_STORAGE, errno, "disk %s: cannot look at "
                        "%s: %s", disk, path, strerror (errno));
  if (!S_ISREG (st.st_mode) && !S_ISBLK (st.st_mode))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "disk %s: %s is "
                        "neither a file nor a block device", disk, path);
  if ((flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_WRONLY)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EBADF, "disk %s: %s is not "
                        "open for reading", disk, path);
  file_identity_text (&st, found);
  if (id != NULL && strcmp (id, found) != 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "disk %s: %s is %s "
                        "but should be %s", disk, path, found, id);
  /* With it io_uring says -EAGAIN instead of waiting for some devices. */
  if ((flags & O_NONBLOCK) != 0 &&
      fcntl (raw->fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
    return failure_set (why, FAILURE_STORAGE, errno, "disk %s: cannot set the "
                        "flags of %s: %s", disk, path, strerror (errno));
  raw->is_block_device = S_ISBLK (st.st_mode);
  if ((flags & O_DIRECT) != 0)
    take_alignment (raw);
  return take_size (raw, &st, path, disk, disk_size, why);
}

static int
open_path (const struct source_config *config, const char *disk, int *fd,
           struct failure *why)
{
  /* O_NONBLOCK: a FIFO must not hang us. */
  int r = open (config->value, O_RDONLY | O_CLOEXEC | O_NONBLOCK |
                               (config->direct_io ? O_DIRECT : 0));

  if (r < 0 && errno == EINVAL && config->direct_io)
    return failure_set (why, FAILURE_STORAGE, EINVAL, "disk %s: the file "
                        "system of %s has no O_DIRECT (direct-io=yes)", disk,
                        config->value);
  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, errno, "disk %s: cannot open "
                        "%s: %s", disk, config->value, strerror (errno));
  *fd = r;
  return 0;
}

/* FD moves here, also on failure. */
static int
source_of_fd (int fd, const char *path, const char *id, const char *disk,
              uint64_t disk_size, struct source **result, struct failure *why)
{
  struct source_direct_raw *raw = calloc (1, sizeof *raw);
  int r;

  if (raw == NULL) {
    close (fd);
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "no memory for disk %s",
                        disk);
  }
  raw->source.ops = &direct_raw_ops;
  raw->fd = fd;
  pthread_mutex_init (&raw->lock, NULL);
  r = take_image (raw, path, id, disk, disk_size, why);
  if (r < 0) {
    direct_raw_close (&raw->source);
    return r;
  }
  *result = &raw->source;
  return 0;
}

int
source_direct_raw_open (const struct source_config *config, const char *disk,
                        uint64_t disk_size, struct source **result,
                        struct failure *why)
{
  int fd = -1;
  int r = open_path (config, disk, &fd, why);

  return r < 0 ? r : source_of_fd (fd, config->value, NULL, disk, disk_size,
                                   result, why);
}

int
source_direct_raw_open_fd (const struct source_config *config,
                           const char *disk, uint64_t disk_size,
                           struct source **result, struct failure *why)
{
  char name[64];

  snprintf (name, sizeof name, "descriptor %d", config->fd);
  if (fcntl (config->fd, F_SETFD, FD_CLOEXEC) < 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, errno, "disk %s: %s: %s",
                        disk, name, strerror (errno));
  return source_of_fd (config->fd, name, config->id, disk, disk_size, result,
                       why);
}
