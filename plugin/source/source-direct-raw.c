/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything is asked of an open descriptor and nothing of a path: QEMU's file
 * may be renamed, replaced or unlinked while it is being read.  Its size is of
 * when it was opened; that it has grown is harmless, that it has shrunk is an
 * error and never zeros. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checked-math.h"
#include "file-extents.h"
#include "image-file.h"
#include "source.h"

struct source_direct_raw {
  struct source source;
  struct image_file file;
  uint64_t image_size;          /* when it was opened; it may grow */
  pthread_mutex_t lock;         /* protects all below */
  uint64_t data_from, data_until;  /* was found to be data */
};

static int
direct_raw_read (struct source *source, struct io_ring_batch *batch,
                 void *buffer, uint64_t length, uint64_t offset)
{
  struct source_direct_raw *raw = (struct source_direct_raw *) source;
  struct io_request request = image_file_request (&raw->file, buffer, length,
                                                  offset);

  request.data_end = raw->image_size;
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

  if (fstat (raw->file.fd, &st) < 0)
    return -errno;
  return (uint64_t) st.st_size < raw->image_size ? -EIO : 0;
}

static int
direct_raw_extents (struct source *source, uint64_t offset, uint64_t length,
                    struct source_extent *extents, size_t *count,
                    uint64_t *data_until)
{
  struct source_direct_raw *raw = (struct source_direct_raw *) source;

  if (!raw->file.is_block_device) {
    int r;

    recall_data (raw, offset, data_until);
    r = file_extents (raw->file.fd, offset, length, extents, count, data_until);
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
direct_raw_read_ahead (struct source *source, bool ahead)
{
  const struct source_direct_raw *raw = (struct source_direct_raw *) source;

  image_file_read_ahead (&raw->file, ahead);
}

static void
direct_raw_close (struct source *source)
{
  struct source_direct_raw *raw = (struct source_direct_raw *) source;

  image_file_close (&raw->file);
  pthread_mutex_destroy (&raw->lock);
  free (raw);
}

static const struct source_ops direct_raw_ops = {
  .read = direct_raw_read,
  .extents = direct_raw_extents,
  .read_ahead = direct_raw_read_ahead,
  .close = direct_raw_close,
};

/* Takes the size, which may lack a part of the disk's last sector: QEMU rounds
 * the size of an image up to whole sectors. */
static int
take_size (struct source_direct_raw *raw, const char *path, const char *disk,
           uint64_t disk_size, struct failure *why)
{
  /* As QEMU asks, of block devices as well. */
  off_t size = lseek (raw->file.fd, 0, SEEK_END);

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

/* FILE moves here, also on failure. */
static int
source_of_file (struct image_file *file, const char *path, const char *disk,
                uint64_t disk_size, struct source **result,
                struct failure *why)
{
  struct source_direct_raw *raw = calloc (1, sizeof *raw);
  int r;

  if (raw == NULL) {
    image_file_close (file);
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "no memory for disk %s",
                        disk);
  }
  raw->source.ops = &direct_raw_ops;
  raw->file = *file;
  pthread_mutex_init (&raw->lock, NULL);
  r = take_size (raw, path, disk, disk_size, why);
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
  struct image_file file = { .fd = -1 };
  int r = image_file_open (&file, config->value, config->direct_io, disk, why);

  return r < 0 ? r : source_of_file (&file, config->value, disk, disk_size,
                                     result, why);
}

int
source_direct_raw_open_fd (const struct source_config *config,
                           const char *disk, uint64_t disk_size,
                           struct source **result, struct failure *why)
{
  struct image_file file = { .fd = -1 };
  char name[64];
  int r;

  snprintf (name, sizeof name, "descriptor %d", config->fd);
  r = image_file_take (&file, config->fd, name, config->id, disk, why);
  return r < 0 ? r : source_of_file (&file, name, disk, disk_size, result,
                                     why);
}
