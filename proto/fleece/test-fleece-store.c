/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mark: no-valgrind (what a forked child still holds is no leak) */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fleece-files.h"
#include "fleece-store.h"
#include "full-io.h"
#include "test-held-write.h"

#define G GRANULE_DEFAULT
#define SIZE (5ull * G + 1000)

static char folder[] = "test-fleece-store-XXXXXX";
static char buffer[SIZE], got[SIZE];

/* What the store's system calls are made to do; each is over after one call. */
static int fallocate_error;
static int late_error;          /* of sync_file_range */

int __real_sync_file_range (int fd, off_t offset, off_t length, unsigned flags);
int __wrap_sync_file_range (int fd, off_t offset, off_t length, unsigned flags);
int __real_fallocate (int fd, int mode, off_t offset, off_t length);
int __wrap_fallocate (int fd, int mode, off_t offset, off_t length);

int
__wrap_fallocate (int fd, int mode, off_t offset, off_t length)
{
  if (fallocate_error == 0)
    return __real_fallocate (fd, mode, offset, length);
  errno = fallocate_error;
  fallocate_error = 0;
  return -1;
}

int
__wrap_sync_file_range (int fd, off_t offset, off_t length, unsigned flags)
{
  if (late_error == 0)
    return __real_sync_file_range (fd, offset, length, flags);
  errno = late_error;
  late_error = 0;
  return -1;
}

static bool
exists (const char *name)
{
  char path[PATH_MAX];

  snprintf (path, sizeof path, "%s/%s", folder, name);
  return access (path, F_OK) == 0;
}

static void
touch (const char *name)
{
  char path[PATH_MAX];
  int fd;

  snprintf (path, sizeof path, "%s/%s", folder, name);
  fd = open (path, O_WRONLY | O_CREAT, 0600);
  assert (fd >= 0);
  close (fd);
}

static struct fleece_store *
open_store (bool writable)
{
  struct fleece_store *store = NULL;

  assert (fleece_store_open (folder, folder, "vda", writable, &store) == 0);
  return store;
}

static void
check_write (void)
{
  struct fleece_store *store = open_store (true);
  struct granule_map *present = fleece_store_present (store);
  int fd = fleece_store_data_fd (store);

  memset (buffer, 'a', sizeof buffer);
  assert (fleece_store_write (store, buffer, G, 1) == -EINVAL);
  assert (fleece_store_write (store, buffer, G - 1, 0) == -EINVAL);
  assert (fleece_store_write (store, buffer, 1000, 4 * G) == -EINVAL);
  assert (fleece_store_write (store, buffer, 2 * G, 4 * G) == -EINVAL);
  assert (fleece_store_write (store, buffer, G, UINT64_MAX - G + 1) == -EINVAL);
  assert (fleece_store_zero (store, 512, 512) == -EINVAL);
  assert (fleece_store_write (store, buffer, 0, 0) == 0);
  assert (granule_map_count_bytes (present) == 0);

  assert (fleece_store_write (store, buffer, 1000, 5 * G) == 0);
  assert (fleece_store_write (store, buffer, G, G) == 0);
  assert (granule_map_count_bytes (present) == G + 1000);
  /* What is present stays as it is, what is not is taken (S3). */
  memset (buffer, 'b', sizeof buffer);
  assert (fleece_store_write (store, buffer, 3 * G, 0) == 0);
  assert (granule_map_count_bytes (present) == 3 * G + 1000);
  assert (full_pread (fd, got, SIZE, 0) == 0);
  assert (got[0] == 'b' && got[G - 1] == 'b' && got[G] == 'a');
  assert (got[2 * G - 1] == 'a' && got[2 * G] == 'b' && got[3 * G] == 0);
  assert (got[5 * G] == 'a' && got[SIZE - 1] == 'a');
  assert (fleece_store_zero (store, SIZE, 0) == 0);
  assert (full_pread (fd, got, SIZE, 0) == 0);
  assert (got[0] == 'b' && got[G] == 'a' && got[3 * G] == 0);
  assert (granule_map_count_bytes (present) == SIZE);
  fleece_store_close (store);

  store = open_store (false);
  assert (fleece_store_write (store, buffer, G, 0) == -EBADF);
  assert (granule_map_count_bytes (fleece_store_present (store)) == SIZE);
  fleece_store_close (store);
}

/* Zeros take no space, and remove what a killed sink left without a mark. */
static void
check_zero (void)
{
  struct fleece_store *store = open_store (true);
  int fd = fleece_store_data_fd (store);
  struct stat st;

  assert (fleece_store_zero (store, 2 * G, 0) == 0);
  assert (fstat (fd, &st) == 0 && st.st_blocks == 0);
  memset (buffer, 'x', G);
  assert (full_pwrite (fd, buffer, G, 3 * G) == 0);
  assert (fleece_store_zero (store, 2 * G, 2 * G) == 0);
  assert (full_pread (fd, got, SIZE, 0) == 0);
  memset (buffer, 0, sizeof buffer);
  assert (memcmp (got, buffer, SIZE) == 0);
  assert (granule_map_count_bytes (fleece_store_present (store)) == 4 * G);
  fleece_store_close (store);
}

/* The child stores, the parent sees data wherever it sees a bit. */
static void
check_two_processes (void)
{
  struct fleece_store *reader = open_store (false), *writer;
  uint64_t at = 0;
  int status;
  pid_t pid = fork ();

  assert (pid >= 0);
  if (pid == 0) {
    memset (buffer, 'c', sizeof buffer);
    if (fleece_store_open (folder, folder, "vda", true, &writer) < 0)
      _exit (1);
    for (; at < SIZE; at += G)
      if (fleece_store_write (writer, buffer, SIZE - at < G ? SIZE - at : G,
                              at) < 0)
        _exit (2);
    fleece_store_close (writer);
    _exit (0);
  }
  memset (buffer, 'c', G);
  while (at < SIZE) {
    uint64_t n = SIZE - at < G ? SIZE - at : G;

    if (!granule_map_test (fleece_store_present (reader), at))
      continue;
    assert (full_pread (fleece_store_data_fd (reader), got, n, at) == 0);
    assert (memcmp (got, buffer, n) == 0);
    at += n;
  }
  assert (waitpid (pid, &status, 0) == pid && status == 0);
  fleece_store_close (reader);
}

static void *
write_same (void *data)
{
  struct fleece_store *store = data;
  unsigned i;

  for (i = 0; i < 50; i++)
    if (fleece_store_write (store, buffer, i % 2 == 0 ? 3 * G : G,
                            i % 2 * G) < 0)
      return data;
  return NULL;
}

static void
check_threads (void)
{
  struct fleece_store *store = open_store (true);
  pthread_t threads[4];
  void *wrong;
  unsigned i;

  assert (fleece_store_busy_since (store) == INT64_MAX);
  memset (buffer, 'd', sizeof buffer);
  for (i = 0; i < 4; i++)
    assert (pthread_create (&threads[i], NULL, write_same, store) == 0);
  for (i = 0; i < 4; i++)
    assert (pthread_join (threads[i], &wrong) == 0 && wrong == NULL);
  assert (granule_map_count_bytes (fleece_store_present (store)) == 3 * G);
  assert (fleece_store_busy_since (store) == INT64_MAX);
  fleece_store_close (store);
}

/* A file system without holes: zeros are written. */
static void
check_zero_without_holes (void)
{
  struct fleece_store *store = open_store (true);
  int fd = fleece_store_data_fd (store);

  memset (buffer, 'x', SIZE);
  assert (full_pwrite (fd, buffer, SIZE, 0) == 0);
  fallocate_error = EOPNOTSUPP;
  assert (fleece_store_zero (store, SIZE, 0) == 0);
  memset (buffer, 0, sizeof buffer);
  assert (full_pread (fd, got, SIZE, 0) == 0);
  assert (memcmp (got, buffer, SIZE) == 0);
  fleece_store_close (store);
}

/* Another error is one, and nothing becomes present. */
static void
check_zero_fails (void)
{
  struct fleece_store *store = open_store (true);
  int fd = fleece_store_data_fd (store);

  assert (full_pwrite (fd, "x", 1, G) == 0);
  fallocate_error = EIO;
  assert (fleece_store_zero (store, G, G) == -EIO);
  assert (granule_map_count_bytes (fleece_store_present (store)) == 0);
  fleece_store_close (store);
}

static void *
write_second (void *data)
{
  static char second[G];

  memset (second, '2', G);
  return fleece_store_write (data, second, G, 0) == 0 ? NULL : data;
}

/* A request that was sent again while the first is in the middle of its
 * write: it waits, then finds the granule present (S3). */
static void
check_same_granule_twice (void)
{
  struct fleece_store *store = open_store (true);
  pthread_t first, second;
  void *wrong;

  memset (buffer, 'd', sizeof buffer);
  test_held_write_begin ();
  assert (pthread_create (&first, NULL, write_same, store) == 0);
  test_held_write_wait ();
  assert (pthread_create (&second, NULL, write_second, store) == 0);
  /* Long enough for a second writer that does not wait to be done. */
  usleep (200000);
  assert (granule_map_count_bytes (fleece_store_present (store)) == 0);
  test_held_write_end ();
  assert (pthread_join (first, &wrong) == 0 && wrong == NULL);
  assert (pthread_join (second, &wrong) == 0 && wrong == NULL);
  assert (full_pread (fleece_store_data_fd (store), got, G, 0) == 0);
  assert (memcmp (got, buffer, G) == 0);
  fleece_store_close (store);
}

static void *
write_last_two (void *data)
{
  static char second[2 * G];

  memset (second, '2', sizeof second);
  return fleece_store_write (data, second, 2 * G, 2 * G) == 0 ? NULL : data;
}

/* The first writes three granules, the second the last of them and one more: it
 * waits for the one, and writes the other. */
static void
check_ranges_that_overlap (void)
{
  struct fleece_store *store = open_store (true);
  pthread_t first, second;
  void *wrong;

  memset (buffer, 'd', sizeof buffer);
  test_held_write_begin ();
  assert (pthread_create (&first, NULL, write_same, store) == 0);
  test_held_write_wait ();
  assert (pthread_create (&second, NULL, write_last_two, store) == 0);
  /* Long enough for a second writer that does not wait to be done. */
  usleep (200000);
  assert (granule_map_count_bytes (fleece_store_present (store)) == 0);
  test_held_write_end ();
  assert (pthread_join (first, &wrong) == 0 && wrong == NULL);
  assert (pthread_join (second, &wrong) == 0 && wrong == NULL);
  memset (buffer + 3 * G, '2', G);
  assert (full_pread (fleece_store_data_fd (store), got, 4 * G, 0) == 0);
  assert (memcmp (got, buffer, 4 * G) == 0);
  fleece_store_close (store);
}

/* The kernel tells of a lost page once, and the map cannot be opened to say so:
 * who was told goes on saying it (S4). */
static void
check_lost_is_kept (void)
{
  struct fleece_store *store = open_store (false);
  char path[PATH_MAX];

  assert (fleece_store_broken (store) == 0);
  assert (fleece_present_path (folder, "vda", path, sizeof path) == 0);
  assert (unlink (path) == 0);
  late_error = ENOSPC;
  assert (fleece_store_broken (store) == ENOSPC);
  assert (late_error == 0 && fleece_store_broken (store) == ENOSPC);
  fleece_store_close (store);
}

static void
check_files (void)
{
  struct fleece_store *store = NULL;
  char path[PATH_MAX];

  assert (fleece_store_create (folder, folder, "vda", SIZE) == -EEXIST);
  assert (fleece_store_create (folder, folder, "../x", SIZE) == -EINVAL);
  assert (fleece_store_create (folder, folder, "a@b", SIZE) == -EINVAL);
  assert (fleece_store_create ("/nonexistent", folder, "a", SIZE) == -ENOENT);
  assert (fleece_store_open (folder, folder, "vdz", false, &store) == -ENOENT);
  assert (fleece_dirty_path (folder, "vda", "a/b", path, sizeof path) ==
          -EINVAL);
  assert (fleece_dirty_path (folder, "vda", "dirty", path, 5) ==
          -ENAMETOOLONG);
  assert (fleece_dirty_path (folder, "vda", "dirty", path, sizeof path) == 0);

  /* Neither file is left when the second cannot be made. */
  touch ("vdb.present");
  assert (fleece_store_create (folder, folder, "vdb", SIZE) == -EEXIST);
  assert (!exists ("vdb.data"));

  /* A data file of another size. */
  snprintf (path, sizeof path, "%s/vda.data", folder);
  assert (truncate (path, SIZE - 1) == 0);
  assert (fleece_store_open (folder, folder, "vda", false, &store) == -EINVAL);

  touch ("vda@dirty.dirty");
  touch ("vda@mon.dirty");
  touch ("vda@x.other");
  assert (fleece_store_remove (folder, "vda") == 0);
  assert (!exists ("vda.data") && !exists ("vda.present"));
  assert (!exists ("vda@dirty.dirty") && !exists ("vda@mon.dirty"));
  assert (exists ("vda@x.other") && exists ("vdb.present"));
  assert (fleece_store_remove (folder, "vda") == 0);
  assert (fleece_store_remove ("/nonexistent", "vda") == 0);
  assert (fleece_store_remove (folder, "vdb") == 0);
  snprintf (path, sizeof path, "%s/vda@x.other", folder);
  assert (unlink (path) == 0);
}

/* Whatever is left of the old one, nobody reads what takes its place. */
static void
check_made_anew (void)
{
  static const char *const lost[] = { "vda.data", "vda.present", NULL };
  struct fleece_store *old, *store;
  char path[PATH_MAX];
  size_t i;

  for (i = 0; i <= sizeof lost / sizeof *lost; i++) {
    assert (fleece_store_open (folder, folder, "vda", true, &old) == 0);
    snprintf (path, sizeof path, "%s/%s", folder, lost[i % 3] == NULL
              ? "vda.data" : lost[i % 3]);
    assert (lost[i % 3] == NULL ? truncate (path, 1) == 0 : unlink (path) == 0);
    assert (fleece_store_create_broken (folder, folder, "vda", SIZE, EIO) == 0);
    /* Who has it open is not told. */
    assert (i > 0 || fleece_store_broken (old) == 0);
    fleece_store_close (old);
    assert (fleece_store_open (folder, folder, "vda", false, &store) == 0);
    assert (fleece_store_broken (store) == EIO);
    fleece_store_close (store);
    assert (!exists ("vda.broken"));
  }
}

int
main (void)
{
  void (*const checks[]) (void) = {
    check_write, check_zero, check_two_processes, check_threads, check_files,
    check_zero_without_holes, check_zero_fails, check_same_granule_twice,
    check_ranges_that_overlap, check_lost_is_kept, check_made_anew,
  };
  size_t i;

  alarm (300);                   /* a child that fails must not hang us */
  assert (mkdtemp (folder) != NULL);
  for (i = 0; i < sizeof checks / sizeof checks[0]; i++) {
    assert (fleece_store_create (folder, folder, "vda", SIZE) == 0);
    checks[i] ();
    assert (fleece_store_remove (folder, "vda") == 0);
  }
  assert (rmdir (folder) == 0);
  return 0;
}
