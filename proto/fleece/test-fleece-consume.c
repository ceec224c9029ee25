/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is given back is not stored again, and each byte is given back once, in
 * pieces that were written back before where that is of use. */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fleece-consume.h"
#include "fleece-files.h"

#define G GRANULE_DEFAULT
#define GRANULES 300u
#define SIZE ((GRANULES - 1ull) * G + 1000)
#define GIVERS 4
#define PIECE (1 << 20)         /* no hole is made larger */

static char folder[] = "test-fleece-consume-XXXXXX";
static char buffer[SIZE];

static int punch_error;
static struct fleece_consume *meanwhile;        /* another one gives all back */
static int write_back_error, late_error;
static unsigned file_system = XFS_SUPER_MAGIC;  /* as which any shows itself */
static _Thread_local off_t written_from, written_to;

int __real_sync_file_range (int fd, off_t offset, off_t length, unsigned flags);
int __wrap_sync_file_range (int fd, off_t offset, off_t length, unsigned flags);
int __real_fallocate (int fd, int mode, off_t offset, off_t length);
int __wrap_fallocate (int fd, int mode, off_t offset, off_t length);

int __real_fstatfs (int fd, struct statfs *fs);
int __wrap_fstatfs (int fd, struct statfs *fs);

int
__wrap_fstatfs (int fd, struct statfs *fs)
{
  int r = __real_fstatfs (fd, fs);

  fs->f_type = file_system;
  return r;
}

/* Without "write" it is asked for errors alone. */
int
__wrap_sync_file_range (int fd, off_t offset, off_t length, unsigned flags)
{
  int error = write_back_error;

  if ((flags & SYNC_FILE_RANGE_WRITE) == 0)
    error = late_error;
  else if (length > 0 && (flags & SYNC_FILE_RANGE_WAIT_BEFORE) != 0 &&
           (flags & SYNC_FILE_RANGE_WAIT_AFTER) != 0) {
    written_from = offset;
    written_to = offset + length;
  }
  if (error == 0)
    return __real_sync_file_range (fd, offset, length, flags);
  errno = error;
  return -1;
}

/* Of the same thread, and once for each hole. */
static void
hole_was_written_back (off_t offset, off_t length)
{
  assert (length > 0 && length <= PIECE);
  if (file_system == EXT4_SUPER_MAGIC)
    assert (written_to == 0);
  else
    assert (written_from <= offset && offset + length <= written_to);
  written_from = written_to = 0;
}

int
__wrap_fallocate (int fd, int mode, off_t offset, off_t length)
{
  struct fleece_consume *other = meanwhile;

  if ((mode & FALLOC_FL_PUNCH_HOLE) != 0)
    hole_was_written_back (offset, length);
  if (other != NULL && (mode & FALLOC_FL_PUNCH_HOLE) != 0) {
    meanwhile = NULL;
    assert (fleece_consume_range (other, 0, SIZE) == 0);
  }
  if (punch_error == 0 || (mode & FALLOC_FL_PUNCH_HOLE) == 0)
    return __real_fallocate (fd, mode, offset, length);
  errno = punch_error;
  return -1;
}

/* Sink and view of one backup. */
struct world {
  struct scratch_figures *figures;
  struct fleece_store *sink, *view;
  struct fleece_consume *consume;
};

static void
world_open (struct world *w)
{
  const struct scratch_terms terms = { .account = -1 };

  assert (fleece_store_create (folder, folder, "vda", SIZE) == 0);
  assert (fleece_consume_create (folder, "vda", SIZE) == 0);
  assert (fleece_consume_create (folder, "vda", SIZE) == -EEXIST);
  assert (scratch_figures_create (folder, &terms) == 0);
  assert (scratch_figures_open (folder, &w->figures) == 0);
  assert (fleece_store_open (folder, folder, "vda", true, &w->sink) == 0);
  assert (fleece_store_open_consumed (w->sink, folder, "vda") == 0);
  fleece_store_count (w->sink, w->figures);
  assert (fleece_store_open (folder, folder, "vda", false, &w->view) == 0);
  assert (fleece_store_consumed (w->view) == NULL);
  assert (fleece_store_open_consumed (w->view, folder, "vda") == 0);
  assert (fleece_consume_open (folder, folder, "vda", w->view, w->figures,
                               &w->consume) == 0);
}

static void
world_close (struct world *w)
{
  fleece_consume_close (w->consume);
  fleece_store_close (w->view);
  fleece_store_close (w->sink);
  scratch_figures_close (w->figures);
  assert (scratch_figures_remove (folder) == 0);
  assert (fleece_store_remove (folder, "vda") == 0);
}

static uint64_t
used (const struct world *w)
{
  struct scratch_seen seen;

  scratch_figures_look (w->figures, &seen);
  return seen.used;
}

/* A few blocks more than what is stored: the file system's own. */
static uint64_t
taken (void)
{
  char path[PATH_MAX];
  struct stat st;

  snprintf (path, sizeof path, "%s/vda.data", folder);
  assert (stat (path, &st) == 0);
  return (uint64_t) st.st_blocks * 512;
}

static uint64_t
consumed (const struct world *w)
{
  return granule_map_count_bytes (fleece_store_consumed (w->view));
}

static void
test_given_back (struct world *w)
{
  assert (fleece_store_write (w->sink, buffer, 4 * G, 0) == 0);
  assert (used (w) == 4 * G);
  /* Only whole granules. */
  assert (fleece_consume_range (w->consume, 1, 2 * G - 2) == 0);
  assert (consumed (w) == 0 && used (w) == 4 * G);
  assert (fleece_consume_range (w->consume, G - 1, G + 2) == 0);
  assert (consumed (w) == G && used (w) == 3 * G);
  assert (taken () < 4 * G);
  /* Again: it was given back once. */
  assert (fleece_consume_range (w->consume, 0, 2 * G) == 0);
  assert (fleece_consume_range (w->consume, 0, 2 * G) == 0);
  assert (consumed (w) == 2 * G && used (w) == 2 * G);
  assert (fleece_consume_range (w->consume, SIZE - 1, 2) == -EINVAL);
}

/* Before the guest writes there. */
static void
test_not_stored_again (struct world *w)
{
  const struct granule_map *present = fleece_store_present (w->view);

  assert (fleece_consume_range (w->consume, 8 * G, 4 * G) == 0);
  assert (fleece_store_write (w->sink, buffer, 8 * G, 6 * G) == 0);
  assert (used (w) == 2 * G + 4 * G && taken () < 7 * G);
  assert (!granule_map_test (present, 8 * G));
  assert (!granule_map_test (present, 12 * G - 1));
  assert (granule_map_test (present, 7 * G));
  assert (granule_map_test (present, 12 * G));
  /* What was stored and given back is not stored again, either. */
  assert (fleece_store_write (w->sink, buffer, 2 * G, 0) == 0);
  assert (used (w) == 6 * G && taken () < 7 * G);
}

/* Zeros have never counted. */
static void
test_zeros_and_the_end (struct world *w)
{
  assert (fleece_store_zero (w->sink, 4 * G, 20 * G) == 0);
  assert (fleece_consume_range (w->consume, 20 * G, 4 * G) == 0);
  assert (used (w) == 6 * G);
  assert (fleece_store_write (w->sink, buffer, G + 1000, SIZE - G - 1000) == 0);
  assert (used (w) == 7 * G + 1000);
  assert (fleece_consume_range (w->consume, SIZE - 1000, 999) == 0);
  assert (used (w) == 7 * G + 1000);
  assert (fleece_consume_range (w->consume, SIZE - 1000, 1000) == 0);
  assert (used (w) == 7 * G);
  assert (fleece_consume_range (w->consume, 0, SIZE) == 0);
  assert (used (w) == 0 && consumed (w) == SIZE && taken () < G);
}

/* Where it cannot be taken out it counts on, and is consumed all the same. */
static void
test_no_punching (void)
{
  struct world w = { 0 };

  world_open (&w);
  assert (fleece_store_write (w.sink, buffer, 2 * G, 0) == 0);
  punch_error = EOPNOTSUPP;
  assert (fleece_consume_range (w.consume, 0, G) == 0);
  punch_error = EIO;
  assert (fleece_consume_range (w.consume, G, G) == -EIO);
  punch_error = 0;
  assert (consumed (&w) == 2 * G && used (&w) == 2 * G);
  assert (fleece_consume_range (w.consume, 0, 2 * G) == 0);
  assert (used (&w) == 0);
  world_close (&w);
}

/* It may not be possible to write back alone; but who is told that data was lost
 * breaks the store. */
static void
test_write_back_fails (void)
{
  struct world w = { 0 };

  world_open (&w);
  assert (fleece_store_write (w.sink, buffer, 4 * G, 0) == 0);
  write_back_error = ESPIPE;
  assert (fleece_consume_range (w.consume, 0, G) == 0);
  assert (used (&w) == 3 * G && fleece_store_broken (w.sink) == 0);
  write_back_error = late_error = EIO;
  assert (fleece_consume_range (w.consume, G, G) == -EIO);
  write_back_error = late_error = 0;
  assert (consumed (&w) == 2 * G && used (&w) == 3 * G);
  assert (fleece_store_broken (w.sink) == EIO);
  world_close (&w);
}

/* Ext4 needs not write what is to be dropped. */
static void
test_not_written_back (void)
{
  struct world w = { 0 };

  file_system = EXT4_SUPER_MAGIC;
  written_from = written_to = 0;
  world_open (&w);
  assert (fleece_store_write (w.sink, buffer, SIZE, 0) == 0);
  assert (fleece_consume_range (w.consume, 0, SIZE) == 0);
  assert (used (&w) == 0 && taken () < G);
  world_close (&w);
  file_system = XFS_SUPER_MAGIC;
}

/* Two at once; and what is counted, and not yet stored. */
static void
test_once (void)
{
  struct world w = { 0 };
  struct granule_map *counted = NULL;
  char path[PATH_MAX];

  world_open (&w);
  assert (fleece_store_write (w.sink, buffer, 4 * G, 0) == 0);
  assert (scratch_figures_take (w.figures, G) == 0);
  assert (fleece_counted_path (folder, "vda", path, sizeof path) == 0);
  assert (granule_map_open (path, true, &counted) == 0);
  assert (granule_map_set (counted, 8 * G, G) == 0);
  granule_map_close (counted);
  meanwhile = w.consume;
  assert (fleece_consume_range (w.consume, 0, SIZE) == 0);
  assert (used (&w) == G);
  world_close (&w);
}

static void *
give_all (void *data)
{
  struct world *w = data;
  unsigned g;

  for (g = 0; g < GRANULES - 1; g += 3)
    assert (fleece_consume_range (w->consume, (uint64_t) g * G, 5ull * G)
            == 0 || g + 5 > GRANULES);
  return NULL;
}

static void *
store_all (void *data)
{
  struct world *w = data;
  unsigned g;

  for (g = 0; g < GRANULES - 1; g++)
    assert (fleece_store_write (w->sink, buffer, G, (uint64_t) g * G) == 0);
  return NULL;
}

/* Several that give the same back, beside the sink that stores it. */
static void
test_many (void)
{
  struct world w = { 0 };
  pthread_t threads[GIVERS + 1];
  size_t i;

  world_open (&w);
  for (i = 0; i <= GIVERS; i++)
    assert (pthread_create (&threads[i], NULL, i < GIVERS ? give_all
                                                          : store_all,
                            &w) == 0);
  for (i = 0; i <= GIVERS; i++)
    pthread_join (threads[i], NULL);
  assert (used (&w) <= SIZE);
  assert (fleece_consume_range (w.consume, 0, SIZE) == 0);
  assert (used (&w) == 0 && taken () < G);
  world_close (&w);
}

int
main (void)
{
  struct world w = { 0 };

  memset (buffer, 'o', sizeof buffer);
  assert (mkdtemp (folder) != NULL);
  world_open (&w);
  test_given_back (&w);
  test_not_stored_again (&w);
  test_zeros_and_the_end (&w);
  world_close (&w);
  test_no_punching ();
  test_write_back_fails ();
  test_not_written_back ();
  test_once ();
  test_many ();
  assert (rmdir (folder) == 0);
  return 0;
}
