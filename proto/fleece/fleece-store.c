/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes to different granules go side by side and hold no lock meanwhile;
 * only who wants a granule that is being written waits.  The order data, then
 * mark (S2) is all that readers rely on: what is marked is never written
 * again, so it stays right whenever a process dies. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "checked-math.h"
#include "deadline.h"
#include "fleece-files.h"
#include "fleece-store.h"
#include "full-io.h"
#include "late-error.h"

/* A write under way; lives on its thread's stack. */
struct busy_range {
  uint64_t offset, length;
  int64_t since;                /* when it was asked for */
  struct busy_range *next;
};

/* Breaks with the store, and the store with it. */
struct more_map {
  struct granule_map *map;
  struct more_map *next;
};

struct fleece_store {
  int data_fd;
  bool writable;                /* data_fd */
  bool can_break;               /* the mapping of present */
  struct late_error late;       /* of data_fd */
  bool needs_blocks;            /* data_fd: before it is given data */
  struct granule_map *present;
  char *present_path;
  struct more_map *more;        /* dirty maps, and the next two */
  struct granule_map *consumed, *counted;       /* NULL: nothing is given back */
  struct scratch_figures *figures;      /* borrowed; NULL: none */
  uint64_t disk_size;
  pthread_mutex_t lock;         /* protects busy */
  pthread_cond_t no_longer_busy;
  struct busy_range *busy;
};

static int
open_files (struct fleece_store *store, const char *folder, const char *maps,
            const char *disk)
{
  int access = (store->writable ? O_RDWR : O_RDONLY) | O_CLOEXEC |
               O_NOFOLLOW | O_NONBLOCK;
  char data[PATH_MAX], present[PATH_MAX];
  struct stat st;
  int r;

  r = fleece_data_path (folder, disk, data, sizeof data);
  if (r == 0)
    r = fleece_present_path (maps, disk, present, sizeof present);
  if (r == 0)
    r = granule_map_open (present, store->can_break, &store->present);
  if (r < 0)
    return r;
  store->present_path = strdup (present);
  if (store->present_path == NULL)
    return -ENOMEM;
  store->disk_size = granule_map_disk_size (store->present);
  if (store->writable && late_error_is_hidden (folder))
    access |= O_DSYNC;
  store->data_fd = open (data, access);
  if (store->data_fd < 0)
    return -errno;
  late_error_init (&store->late, store->data_fd);
  store->needs_blocks = late_error_needs_blocks (store->data_fd);
  if (fstat (store->data_fd, &st) < 0)
    return -errno;
  if (!S_ISREG (st.st_mode) ||
      ((uint64_t) st.st_size != store->disk_size &&
       !granule_map_said_broken (store->present)))
    return -EINVAL;
  /* O_NONBLOCK was for a FIFO; with it io_uring says -EAGAIN instead of waiting
   * for some devices. */
  return fcntl (store->data_fd, F_SETFL, access & ~O_NONBLOCK) < 0 ? -errno : 0;
}

static int
open_store (const char *folder, const char *maps, const char *disk,
            bool writable, bool can_break, struct fleece_store **result)
{
  struct fleece_store *store = calloc (1, sizeof *store);
  int r;

  if (store == NULL)
    return -ENOMEM;
  store->data_fd = -1;
  store->writable = writable;
  store->can_break = can_break;
  pthread_mutex_init (&store->lock, NULL);
  pthread_cond_init (&store->no_longer_busy, NULL);
  r = open_files (store, folder, maps, disk);
  if (r < 0) {
    fleece_store_close (store);
    return r;
  }
  *result = store;
  return 0;
}

int
fleece_store_open (const char *folder, const char *maps, const char *disk,
                   bool writable, struct fleece_store **store)
{
  return open_store (folder, maps, disk, writable, writable, store);
}

int
fleece_store_watch (const char *folder, const char *maps, const char *disk,
                    struct fleece_store **store)
{
  return open_store (folder, maps, disk, false, true, store);
}

void
fleece_store_close (struct fleece_store *store)
{
  if (store == NULL)
    return;
  if (store->data_fd >= 0) {
    late_error_destroy (&store->late);
    close (store->data_fd);
  }
  granule_map_close (store->present);
  while (store->more != NULL) {
    struct more_map *first = store->more;

    store->more = first->next;
    granule_map_close (first->map);
    free (first);
  }
  free (store->present_path);
  pthread_cond_destroy (&store->no_longer_busy);
  pthread_mutex_destroy (&store->lock);
  free (store);
}

int
fleece_store_open_dirty (struct fleece_store *store, const char *path,
                         struct granule_map **map)
{
  struct more_map *more = calloc (1, sizeof *more);
  int r;

  if (more == NULL)
    return -ENOMEM;
  r = granule_map_open (path, store->can_break, &more->map);
  if (r < 0) {
    free (more);
    return r;
  }
  more->next = store->more;
  store->more = more;
  *map = more->map;
  return 0;
}

int
fleece_store_open_consumed (struct fleece_store *store, const char *maps,
                            const char *disk)
{
  char consumed[PATH_MAX], counted[PATH_MAX];
  int r = fleece_consumed_path (maps, disk, consumed, sizeof consumed);

  if (r == 0)
    r = fleece_counted_path (maps, disk, counted, sizeof counted);
  if (r == 0)
    r = fleece_store_open_dirty (store, counted, &store->counted);
  if (r == 0)
    r = fleece_store_open_dirty (store, consumed, &store->consumed);
  if (r == 0 &&
      (granule_map_disk_size (store->consumed) != store->disk_size ||
       granule_map_disk_size (store->counted) != store->disk_size ||
       granule_map_granule (store->consumed) !=
       granule_map_granule (store->present)))
    r = -EINVAL;
  return r;
}

const struct granule_map *
fleece_store_consumed (const struct fleece_store *store)
{
  return store->consumed;
}

static bool
is_busy_locked (const struct fleece_store *store, const struct busy_range *own)
{
  const struct busy_range *b;

  for (b = store->busy; b != NULL; b = b->next)
    if (b->offset < own->offset + own->length &&
        own->offset < b->offset + b->length)
      return true;
  return false;
}

/* Two writers of one granule take turns, so that the second sees that the
 * granule is present (S3): a request that QEMU sent again may meet its first
 * self. */
static void
enter_range (struct fleece_store *store, struct busy_range *own)
{
  pthread_mutex_lock (&store->lock);
  while (is_busy_locked (store, own))
    pthread_cond_wait (&store->no_longer_busy, &store->lock);
  own->next = store->busy;
  store->busy = own;
  pthread_mutex_unlock (&store->lock);
}

static void
leave_range (struct fleece_store *store, struct busy_range *own)
{
  struct busy_range **p;

  pthread_mutex_lock (&store->lock);
  for (p = &store->busy; *p != own; p = &(*p)->next)
    continue;
  *p = own->next;
  pthread_cond_broadcast (&store->no_longer_busy);
  pthread_mutex_unlock (&store->lock);
}

void
fleece_store_count (struct fleece_store *store,
                    struct scratch_figures *figures)
{
  store->figures = figures;
}

static int
write_zeros (int fd, uint64_t length, uint64_t offset)
{
  static const char zeros[65536];
  int r = 0;

  while (length > 0 && r == 0) {
    uint64_t n = min_u64 (length, sizeof zeros);

    r = full_pwrite (fd, zeros, n, offset);
    offset += n;
    length -= n;
  }
  return r;
}

/* Only a sink that was killed between data and mark leaves data where no
 * granule is present, so this nearly always finds a hole and is done. */
static int
make_zero (int fd, uint64_t length, uint64_t offset)
{
  off_t data = lseek (fd, (off_t) offset, SEEK_DATA);
  int r;

  if (data < 0 && errno == ENXIO)
    return 0;
  if (data >= 0 && (uint64_t) data >= offset + length)
    return 0;
  do
    r = fallocate (fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                   (off_t) offset, (off_t) length);
  while (r < 0 && errno == EINTR);
  if (r == 0)
    return 0;
  return errno == EOPNOTSUPP ? write_zeros (fd, length, offset) : -errno;
}

/* Rule S5.  No blocks ahead: the guest may write anywhere, they would be wasted. */
static int
write_data (struct fleece_store *store, const char *data, uint64_t length,
            uint64_t offset)
{
  int r = store->needs_blocks
          ? late_error_take_blocks (store->data_fd, length, offset) : 0;

  return r < 0 ? r : full_pwrite (store->data_fd, data, length, offset);
}

/* Rule B4, and G3. */
static int
write_within_limits (struct fleece_store *store, const char *data,
                     uint64_t length, uint64_t offset)
{
  int r = scratch_figures_take (store->figures, length);

  if (r < 0)
    return r;
  if (store->counted != NULL)
    r = granule_map_set (store->counted, offset, length);
  if (r == 0)
    r = write_data (store, data, length, offset);
  if (r < 0)
    scratch_figures_give (store->figures, length);
  return r;
}

/* The run at OFFSET of granules that are all to be stored, or all not (S3, G2). */
static uint64_t
next_run (const struct fleece_store *store, uint64_t offset, uint64_t limit,
          bool *stored)
{
  bool skip;
  uint64_t run = granule_map_run (store->present, offset, limit, &skip);

  if (!skip && store->consumed != NULL)
    run = granule_map_run (store->consumed, offset, run, &skip);
  *stored = !skip;
  return run;
}

/* DATA is NULL for zeros. */
static int
store_absent (struct fleece_store *store, const char *data, uint64_t length,
              uint64_t offset)
{
  uint64_t done = 0, run;
  bool stored;
  int r;

  for (; done < length; done += run) {
    run = next_run (store, offset + done, length - done, &stored);
    if (!stored)
      continue;
    if (data != NULL)
      r = write_within_limits (store, data + done, run, offset + done);
    else
      r = make_zero (store->data_fd, run, offset + done);
    if (r == 0)
      r = granule_map_set (store->present, offset + done, run);
    if (r < 0)
      return r;
  }
  return 0;
}

static int
store_range (struct fleece_store *store, const char *data, uint64_t length,
             uint64_t offset)
{
  uint64_t granule = granule_map_granule (store->present);
  struct busy_range own = { offset, length, now_ms (), NULL };
  int r;

  if (!store->writable)
    return -EBADF;
  if (!range_is_inside (offset, length, store->disk_size) ||
      offset % granule != 0 ||
      (length % granule != 0 && offset + length != store->disk_size))
    return -EINVAL;
  if (length == 0)
    return 0;
  enter_range (store, &own);
  /* Who has set it may be taking out what is there (B6). */
  r = granule_map_said_broken (store->present) ? 0
      : store_absent (store, data, length, offset);
  leave_range (store, &own);
  return r;
}

int
fleece_store_write (struct fleece_store *store, const void *data,
                    size_t length, uint64_t offset)
{
  return store_range (store, data, length, offset);
}

int
fleece_store_zero (struct fleece_store *store, uint64_t length, uint64_t offset)
{
  return store_range (store, NULL, length, offset);
}

int64_t
fleece_store_busy_since (struct fleece_store *store)
{
  int64_t oldest = INT64_MAX;
  const struct busy_range *b;

  pthread_mutex_lock (&store->lock);
  for (b = store->busy; b != NULL; b = b->next)
    if (b->since < oldest)
      oldest = b->since;
  pthread_mutex_unlock (&store->lock);
  return oldest;
}

/* Who enters a range later than this looks sees "broken", too: one lock is between
 * them. */
bool
fleece_store_rests (struct fleece_store *store)
{
  bool rests;

  if (!granule_map_said_broken (store->present))
    return false;
  pthread_mutex_lock (&store->lock);
  rests = store->busy == NULL;
  pthread_mutex_unlock (&store->lock);
  return rests;
}

/* A view's mapping is read-only.  Should this fail, the view at hand still
 * knows, and the daemon looks for itself. */
static void
break_map (struct fleece_store *store, int error)
{
  struct granule_map *map = NULL;

  if (store->can_break)
    granule_map_set_broken (store->present, error);
  else if (granule_map_open (store->present_path, true, &map) == 0) {
    granule_map_set_broken (map, error);
    granule_map_close (map);
  }
}

int
fleece_store_broken (struct fleece_store *store)
{
  int error = granule_map_broken (store->present);
  const struct more_map *more;

  for (more = store->more; more != NULL && error == 0; more = more->next)
    error = granule_map_broken (more->map);
  if (error == 0)
    error = late_error_look (&store->late);
  if (error != 0)
    break_map (store, error);
  return error;
}

int
fleece_store_data_fd (const struct fleece_store *store)
{
  return store->data_fd;
}

struct granule_map *
fleece_store_present (const struct fleece_store *store)
{
  return store->present;
}
