/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything is asked of an open descriptor and nothing of a path: QEMU's file
 * may be renamed, replaced or unlinked while it is being read. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bounce-pool.h"
#include "checked-math.h"
#include "file-identity.h"
#include "image-file.h"

static bool
is_alignment (uint32_t align)
{
  return align != 0 && align <= BOUNCE_ALIGN && (align & (align - 1)) == 0;
}

/* What O_DIRECT wants of offsets, and of buffers, which is often less: 4 bytes of
 * most NVMe drives, where no buffer then needs to be bounced. */
static void
take_alignment (struct image_file *file)
{
#ifdef STATX_DIOALIGN
  struct statx st;
#endif

  file->align = file->memory_align = BOUNCE_ALIGN;
#ifdef STATX_DIOALIGN
  if (statx (file->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) < 0 ||
      (st.stx_mask & STATX_DIOALIGN) == 0 ||
      !is_alignment (st.stx_dio_offset_align) ||
      !is_alignment (st.stx_dio_mem_align))
    return;
  file->memory_align = st.stx_dio_mem_align;
  file->align = (uint32_t) max_u64 (st.stx_dio_offset_align,
                                   st.stx_dio_mem_align);
#endif
}

static int
look_at (struct image_file *file, const char *name, const char *id,
         const char *disk, struct failure *why)
{
  char found[FILE_IDENTITY_SIZE];
  int flags = fcntl (file->fd, F_GETFL);
  struct stat st;

  if (flags < 0 || fstat (file->fd, &st) < 0)
    return failure_set (why, FAILURE_STORAGE, errno, "disk %s: cannot look at "
                        "%s: %s", disk, name, strerror (errno));
  if (!S_ISREG (st.st_mode) && !S_ISBLK (st.st_mode))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "disk %s: %s is "
                        "neither a file nor a block device", disk, name);
  if ((flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_WRONLY)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EBADF, "disk %s: %s is not "
                        "open for reading", disk, name);
  file_identity_text (&st, found);
  if (id != NULL && strcmp (id, found) != 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "disk %s: %s is %s "
                        "but should be %s", disk, name, found, id);
  /* With it io_uring says -EAGAIN instead of waiting for some devices. */
  if ((flags & O_NONBLOCK) != 0 &&
      fcntl (file->fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
    return failure_set (why, FAILURE_STORAGE, errno, "disk %s: cannot set the "
                        "flags of %s: %s", disk, name, strerror (errno));
  file->is_block_device = S_ISBLK (st.st_mode);
  file->align = file->memory_align = 0;
  if ((flags & O_DIRECT) != 0)
    take_alignment (file);
  return 0;
}

int
image_file_take (struct image_file *file, int fd, const char *name,
                 const char *id, const char *disk, struct failure *why)
{
  int r = 0;

  file->fd = fd;
  if (fcntl (fd, F_SETFD, FD_CLOEXEC) < 0)
    r = failure_set (why, FAILURE_BAD_ARGUMENT, errno, "disk %s: %s: %s",
                     disk, name, strerror (errno));
  if (r == 0)
    r = look_at (file, name, id, disk, why);
  if (r < 0)
    image_file_close (file);
  return r;
}

int
image_file_open (struct image_file *file, const char *path, bool direct_io,
                 const char *disk, struct failure *why)
{
  /* O_NONBLOCK: a FIFO must not hang us. */
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK |
                       (direct_io ? O_DIRECT : 0));

  if (fd < 0 && errno == EINVAL && direct_io)
    return failure_set (why, FAILURE_STORAGE, EINVAL, "disk %s: the file "
                        "system of %s has no O_DIRECT (direct-io=yes)", disk,
                        path);
  if (fd < 0)
    return failure_set (why, FAILURE_STORAGE, errno, "disk %s: cannot open "
                        "%s: %s", disk, path, strerror (errno));
  return image_file_take (file, fd, path, NULL, disk, why);
}

struct io_request
image_file_request (const struct image_file *file, void *buffer,
                    uint64_t length, uint64_t offset)
{
  struct io_request request = {
    .fd = file->fd,
    .buffer = buffer,
    .length = length,
    .offset = offset,
    .align = file->align,
    .memory_align = file->memory_align,
    .data_end = UINT64_MAX,
  };

  return request;
}

int
image_file_read (const struct image_file *file, void *buffer, uint64_t length,
                 uint64_t offset)
{
  struct io_ring_batch batch;

  batch.count = 1;
  batch.requests[0] = image_file_request (file, buffer, length, offset);
  return io_ring_batch_read (&batch);
}

void
image_file_read_ahead (const struct image_file *file, bool ahead)
{
  if (file->fd >= 0)
    (void) posix_fadvise (file->fd, 0, 0, ahead ? POSIX_FADV_NORMAL
                                                : POSIX_FADV_RANDOM);
}

void
image_file_close (struct image_file *file)
{
  if (file->fd >= 0)
    close (file->fd);
  file->fd = -1;
}
