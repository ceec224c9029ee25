/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A party of its own beside sink and readers, which hold no lock against it.  All that
 * they rely on is that "consumed" is set before anything else happens: a reader looks
 * at it after it has read, so that it does not matter what it found there, and the
 * sink lets a guest write pass only after it has seen it.  The rest may be cut off
 * anywhere: then too much counts as used, never too little. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "checked-math.h"
#include "fleece-consume.h"
#include "fleece-files.h"

/* Bytes.  Each piece is a wait for the sink, and a system call. */
#define PIECE (1ull << 20)

struct fleece_consume {
  struct fleece_store *store;
  const struct granule_map *present;    /* the store's */
  struct granule_map *consumed, *counted;
  struct scratch_figures *figures;
  int data_fd;
  bool writes_back_first;
};

static int
open_map (int (*path_of) (const char *maps, const char *disk, char *path,
                          size_t path_size),
          const char *maps, const char *disk, struct granule_map **map)
{
  char path[PATH_MAX];
  int r = path_of (maps, disk, path, sizeof path);

  return r < 0 ? r : granule_map_open (path, true, map);
}

static int
open_data (const char *folder, const char *disk)
{
  char path[PATH_MAX];
  int fd, r = fleece_data_path (folder, disk, path, sizeof path);

  if (r < 0)
    return r;
  fd = open (path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  return fd < 0 ? -errno : fd;
}

/* Ext4 drops what is dirty, or (older kernels) writes it back without the inode's
 * lock.  Xfs and btrfs write it back under that lock. */
static bool
makes_holes_unlocked (int fd)
{
  struct statfs fs;

  return fstatfs (fd, &fs) == 0 && (uint32_t) fs.f_type == EXT4_SUPER_MAGIC;
}

int
fleece_consume_open (const char *folder, const char *maps, const char *disk,
                     struct fleece_store *store,
                     struct scratch_figures *figures,
                     struct fleece_consume **result)
{
  struct fleece_consume *consume = calloc (1, sizeof *consume);
  int r;

  if (consume == NULL)
    return -ENOMEM;
  consume->store = store;
  consume->present = fleece_store_present (store);
  consume->figures = figures;
  r = consume->data_fd = open_data (folder, disk);
  consume->writes_back_first = r >= 0 && !makes_holes_unlocked (r);
  if (r >= 0)
    r = open_map (fleece_consumed_path, maps, disk, &consume->consumed);
  if (r == 0)
    r = open_map (fleece_counted_path, maps, disk, &consume->counted);
  if (r < 0)
    fleece_consume_close (consume);
  else
    *result = consume;
  return r;
}

void
fleece_consume_close (struct fleece_consume *consume)
{
  if (consume == NULL)
    return;
  if (consume->data_fd >= 0)
    close (consume->data_fd);
  granule_map_close (consume->consumed);
  granule_map_close (consume->counted);
  free (consume);
}

/* The sink's next write waits for the inode's lock: what is dirty is written back
 * before that is held to make a hole.  What fails here is no reason not to make it,
 * but who is told that data was lost must break the store (rule S4). */
static int
write_back (struct fleece_consume *consume, uint64_t length, uint64_t offset)
{
  if (!consume->writes_back_first ||
      sync_file_range (consume->data_fd, (off_t) offset, (off_t) length,
                       SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                         SYNC_FILE_RANGE_WAIT_AFTER) == 0)
    return 0;
  return fleece_store_broken (consume->store) != 0 ? -EIO : 0;
}

/* 1: the file system cannot. */
static int
punch (int fd, uint64_t length, uint64_t offset)
{
  int r;

  do
    r = fallocate (fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                   (off_t) offset, (off_t) length);
  while (r < 0 && errno == EINTR);
  return r == 0 ? 0 : errno == EOPNOTSUPP ? 1 : -errno;
}

/* Rule G3, of granules that are present: the sink has done with them. */
static int
take_out (struct fleece_consume *consume, uint64_t offset, uint64_t length)
{
  uint64_t piece = max_u64 (PIECE, granule_map_granule (consume->counted));
  uint64_t end = offset + length, run;
  bool counted;
  int r = 0;

  for (; r == 0 && offset < end; offset += run) {
    run = granule_map_run (consume->counted, offset,
                           min_u64 (end - offset, piece), &counted);
    if (!counted)
      continue;
    r = write_back (consume, run, offset);
    if (r == 0)
      r = punch (consume->data_fd, run, offset);
    if (r == 0)
      scratch_figures_give (consume->figures,
                            granule_map_clear (consume->counted, offset, run));
  }
  return r;
}

int
fleece_consume_range (struct fleece_consume *consume, uint64_t offset,
                      uint64_t length)
{
  uint64_t size = granule_map_disk_size (consume->consumed);
  uint64_t granule = granule_map_granule (consume->consumed), end, run;
  bool present;
  int r;

  if (!range_is_inside (offset, length, size))
    return -EINVAL;
  end = offset + length == size ? size
                                : round_down_pow2 (offset + length, granule);
  offset = round_up_pow2 (offset, granule);
  if (offset >= end)
    return 0;
  /* Rule G1 */
  r = granule_map_set (consume->consumed, offset, end - offset);
  for (; r == 0 && offset < end; offset += run) {
    run = granule_map_run (consume->present, offset, end - offset, &present);
    if (present)
      r = take_out (consume, offset, run);
  }
  return r < 0 ? r : 0;
}
