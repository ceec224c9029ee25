/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole file is mapped.  Storing to a hole of a mapping allocates a block
 * at that moment, and if there is none the process gets SIGBUS.  A sink that
 * dies of that on a full disk would stall the guest, so blocks are asked for
 * with fallocate (2) before the first word of a page is stored, and the page is
 * made writable with MADV_POPULATE_WRITE, which returns an error where a store
 * would raise the signal. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "checked-math.h"
#include "full-io.h"
#include "map-file.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static int
fill_new_file (int fd, const char header[MAP_FILE_HEADER], uint64_t length,
               bool on_tmpfs)
{
  struct statfs fs;
  int flags, allocated, r;

  /* Copy-on-write file systems could want a new block for a block that is
   * there.  Best effort: others do not know the flag. */
  if (ioctl (fd, FS_IOC_GETFLAGS, &flags) == 0) {
    flags |= FS_NOCOW_FL;
    if (ioctl (fd, FS_IOC_SETFLAGS, &flags) < 0)
      flags = 0;
  }
  if (fstatfs (fd, &fs) < 0 || ftruncate (fd, (off_t) length) < 0)
    return -errno;
  if (!on_tmpfs || (uint32_t) fs.f_type != TMPFS_MAGIC)
    length = MAP_FILE_HEADER;
  allocated = fallocate (fd, 0, 0, (off_t) length) < 0 ? -errno : 0;
  if (allocated < 0 && allocated != -EOPNOTSUPP)
    return allocated;
  r = full_pwrite (fd, header, MAP_FILE_HEADER, 0);
  if (r < 0 || allocated == 0)
    return r;
  /* Delayed allocation may still find no block; now is the time to know. */
  return fdatasync (fd) < 0 ? -errno : 0;
}

int
map_file_create (const char *path, const char header[MAP_FILE_HEADER],
                 uint64_t length, bool on_tmpfs)
{
  CLEANUP_FD int fd =
    open (path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  int r;

  if (fd < 0)
    return -errno;
  r = fill_new_file (fd, header, length, on_tmpfs);
  if (r < 0)
    unlink (path);
  return r;
}

static int
check_and_map (struct map_file *file, bool writable,
               int (*check) (const char header[MAP_FILE_HEADER],
                             uint64_t length))
{
  int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  _Alignas (8) char header[MAP_FILE_HEADER];
  struct stat st;
  void *p;
  int r;

  if (fstat (file->fd, &st) < 0)
    return -errno;
  if (!S_ISREG (st.st_mode) || st.st_size < (off_t) sizeof header)
    return -EINVAL;
  r = full_pread (file->fd, header, sizeof header, 0);
  if (r == 0)
    r = check (header, (uint64_t) st.st_size);
  if (r < 0)
    return r;
  p = mmap (NULL, (size_t) st.st_size, protection, MAP_SHARED, file->fd, 0);
  if (p == MAP_FAILED)
    return -errno;
  file->start = p;
  file->size = (uint64_t) st.st_size;
  file->page_size = (size_t) sysconf (_SC_PAGESIZE);
  if (!writable)
    return 0;
  file->pages = calloc (file->size / file->page_size + 1, 1);
  return file->pages == NULL ? -ENOMEM : 0;
}

int
map_file_open (const char *path, bool writable,
               int (*check) (const char header[MAP_FILE_HEADER],
                             uint64_t length),
               struct map_file *file)
{
  *file = (struct map_file) { .fd = open (path, (writable ? O_RDWR : O_RDONLY) |
                                                O_CLOEXEC | O_NOFOLLOW |
                                                O_NONBLOCK) };
  int r = file->fd < 0 ? -errno : 0;

  late_error_init (&file->late, file->fd);
  pthread_mutex_init (&file->lock, NULL);
  return r < 0 ? r : check_and_map (file, writable, check);
}

void
map_file_close (struct map_file *file)
{
  if (file->start != NULL)
    munmap (file->start, file->size);
  if (file->fd >= 0)
    close (file->fd);
  late_error_destroy (&file->late);
  pthread_mutex_destroy (&file->lock);
  free (file->pages);
}

/* Gives page PAGE of the file its blocks. */
static int
allocate_page (struct map_file *file, uint64_t page)
{
  uint64_t offset = page * file->page_size;
  uint64_t length = min_u64 (file->page_size, file->size - offset);
  int allocated;

  do
    allocated = fallocate (file->fd, FALLOC_FL_KEEP_SIZE, (off_t) offset,
                           (off_t) length) < 0 ? -errno : 0;
  while (allocated == -EINTR);
  if (allocated < 0 && allocated != -EOPNOTSUPP)
    return allocated;
  if (madvise (file->start + offset, file->page_size,
               MADV_POPULATE_WRITE) == 0)
    return 0;
  if (errno == EFAULT)
    return -ENOSPC;             /* a store would have raised SIGBUS */
  /* Kernels before 5.14 do not know the advice; the blocks are there. */
  return errno == EINVAL ? allocated : -errno;
}

int
map_file_allocate (struct map_file *file, uint64_t first, uint64_t last)
{
  uint64_t page = first / file->page_size, end = last / file->page_size;
  int r = 0;

  if (file->pages == NULL)
    return -EBADF;
  pthread_mutex_lock (&file->lock);
  for (; page <= end && r == 0; page++) {
    if (file->pages[page])
      continue;
    r = allocate_page (file, page);
    file->pages[page] = r == 0;
  }
  pthread_mutex_unlock (&file->lock);
  return r;
}
