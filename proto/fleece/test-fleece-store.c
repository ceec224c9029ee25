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

/* Whoever sees that a granule is present knows where it is (S2). */
static struct granule_map *watched;
static int slot_error;          /* over after one call */

int __real_slot_table_set (struct slot_table *table, uint64_t offset, uint64_t length, uint64_t place);
int __wrap_slot_table_set (struct slot_table *table, uint64_t offset, uint64_t length, uint64_t place);

int
__wrap_slot_table_set (struct slot_table *table, uint64_t offset,
                       uint64_t length, uint64_t place)
{
  bool present = false;

  assert (watched == NULL ||
          (granule_map_run (watched, offset, length, &present) == length &&
           !present));
  if (slot_error == 0)
    return __real_slot_table_set (table, offset, length, place);
  slot_error = 0;
  return -ENOSPC;
}

/* What the store has, into GOT; zeros where nothing is present. */
static void
read_all (struct fleece_store *store)
{
  const struct granule_map *present = fleece_store_present (store);
  uint64_t at, n, place;
  bool set;
  int kind;

  memset (got, 0, sizeof got);
  for (at = 0; at < SIZE; at += n) {
    n = granule_map_run (present, at, SIZE - at, &set);
    if (!set)
      continue;
    kind = fleece_store_find (store, at, n, &n, &place);
    assert (kind >= 0);
    if (kind == SLOT_DATA)
      assert (full_pread (fleece_store_data_fd (store), got + at, n,
                          place) == 0);
  }
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

  watched = present;
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
  read_all (store);
  assert (got[0] == 'b' && got[G - 1] == 'b' && got[G] == 'a');
  assert (got[2 * G - 1] == 'a' && got[2 * G] == 'b' && got[3 * G] == 0);
  assert (got[5 * G] == 'a' && got[SIZE - 1] == 'a');
  assert (fleece_store_zero (store, SIZE, 0) == 0);
  read_all (store);
  assert (got[0] == 'b' && got[G] == 'a' && got[3 * G] == 0);
  assert (granule_map_count_bytes (present) == SIZE);
  watched = NULL;
  fleece_store_close (store);

  store = open_store (false);
  assert (fleece_store_write (store, buffer, G, 0) == -EBADF);
  assert (granule_map_count_bytes (fleece_store_present (store)) == SIZE);
  fleece_store_close (store);
}

/* Zeros take no space, and no slot. */
static void
check_zero (void)
{
  struct fleece_store *store = open_store (true);
  struct stat st;
  uint64_t n, place = 1;

  assert (fleece_store_zero (store, 2 * G, 0) == 0);
  assert (fstat (fleece_store_data_fd (store), &st) == 0 && st.st_blocks == 0);
  assert (fleece_store_find (store, 5, 2 * G - 5, &n, &place) == SLOT_ZEROS);
  assert (n == 2 * G - 5);
  memset (buffer, 'x', G);
  assert (fleece_store_write (store, buffer, G, 3 * G) == 0);
  assert (fleece_store_zero (store, SIZE - 2 * G, 2 * G) == 0);
  assert (fleece_store_find (store, 3 * G + 5, 9, &n, &place) == SLOT_DATA);
  assert (n == 9 && place == 5);
  read_all (store);
  memset (buffer, 0, sizeof buffer);
  assert (memcmp (got, buffer, 3 * G) == 0 && got[3 * G] == 'x');
  assert (memcmp (got + 4 * G, buffer, SIZE - 4 * G) == 0);
  fleece_store_close (store);
}

/* What could not be noted is not there, and takes another slot the next time. */
static void
check_slot_fails (void)
{
  struct fleece_store *store = open_store (true);
  uint64_t n, place;

  slot_error = ENOSPC;
  assert (fleece_store_write (store, buffer, G, G) == -ENOSPC);
  assert (granule_map_count_bytes (fleece_store_present (store)) == 0);
  assert (fleece_store_write (store, buffer, G, G) == 0);
  assert (fleece_store_find (store, G, G, &n, &place) == SLOT_DATA);
  assert (place == G);
  fleece_store_close (store);
}

/* A sink that was killed had taken a slot: what its granule's next one has, and what
 * any other has, is not there (S3). */
static void
check_next_sink (void)
{
  struct fleece_store *store = open_store (true);
  struct slot_table *slots;
  char path[PATH_MAX];
  uint64_t n, place;

  memset (buffer, 'f', 2 * G);
  assert (fleece_store_write (store, buffer, 2 * G, G) == 0);
  assert (fleece_slots_path (folder, "vda", path, sizeof path) == 0);
  assert (slot_table_open (path, true, fleece_store_present (store),
                           &slots) == 0);
  assert (slot_table_take (slots, 1, &n) == 0 && n == 2);
  assert (slot_table_set (slots, 4 * G, G, 2 * G) == 0);
  assert (full_pwrite (fleece_store_data_fd (store), "y", 1, 2 * G) == 0);
  slot_table_close (slots);
  fleece_store_close (store);

  store = open_store (true);
  memset (buffer, 'n', 2 * G);
  assert (fleece_store_write (store, buffer, G, 4 * G) == 0);
  assert (fleece_store_find (store, 4 * G, G, &n, &place) == SLOT_DATA);
  assert (place == 3 * G);
  read_all (store);
  assert (got[G] == 'f' && got[3 * G - 1] == 'f' && got[3 * G] == 0);
  assert (got[4 * G] == 'n' && got[5 * G - 1] == 'n' && got[5 * G] == 0);
  fleece_store_close (store);
}

/* The child stores, the parent sees data wherever it sees a bit. */
static void
check_two_processes (void)
{
  struct fleece_store *reader = open_store (false), *writer;
  uint64_t at = 0, place;
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
    assert (fleece_store_find (reader, at, n, &n, &place) == SLOT_DATA);
    assert (full_pread (fleece_store_data_fd (reader), got, n, place) == 0);
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
  read_all (store);
  assert (memcmp (got, buffer, G) == 0);
  fleece_store_close (store);
}

/* Writes of different granules go side by side, each at its own place. */
static void
check_two_at_once (void)
{
  struct fleece_store *store = open_store (true);
  pthread_t first;
  void *wrong;

  memset (buffer, 'd', sizeof buffer);
  test_held_write_begin ();
  assert (pthread_create (&first, NULL, write_second, store) == 0);
  test_held_write_wait ();
  assert (fleece_store_write (store, buffer, 2 * G, 2 * G) == 0);
  test_held_write_end ();
  assert (pthread_join (first, &wrong) == 0 && wrong == NULL);
  read_all (store);
  assert (got[0] == '2' && got[G - 1] == '2' && got[G] == 0);
  assert (memcmp (got + 2 * G, buffer, 2 * G) == 0);
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
  read_all (store);
  assert (memcmp (got, buffer, 4 * G) == 0);
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

  /* None is left when the last cannot be made. */
  touch ("vdb.present");
  assert (fleece_store_create (folder, folder, "vdb", SIZE) == -EEXIST);
  assert (!exists ("vdb.data") && !exists ("vdb.slots"));

  /* A data file of another size. */
  snprintf (path, sizeof path, "%s/vda.data", folder);
  assert (truncate (path, SIZE - 1) == 0);
  assert (fleece_store_open (folder, folder, "vda", false, &store) == -EINVAL);

  touch ("vda@dirty.dirty");
  touch ("vda@mon.dirty");
  touch ("vda@x.other");
  assert (fleece_store_remove (folder, "vda") == 0);
  assert (!exists ("vda.data") && !exists ("vda.present") &&
          !exists ("vda.slots"));
  assert (!exists ("vda@dirty.dirty") && !exists ("vda@mon.dirty"));
  assert (exists ("vda@x.other") && exists ("vdb.present"));
  assert (fleece_store_remove (folder, "vda") == 0);
  assert (fleece_store_remove ("/nonexistent", "vda") == 0);
  assert (fleece_store_remove (folder, "vdb") == 0);
  snprintf (path, sizeof path, "%s/vda@x.other", folder);
  assert (unlink (path) == 0);
}

int
main (void)
{
  void (*const checks[]) (void) = {
    check_write, check_zero, check_two_processes, check_threads, check_files,
    check_same_granule_twice, check_ranges_that_overlap,
    check_next_sink, check_two_at_once, check_slot_fails,
  };
  size_t i;

  alarm (60);                   /* a child that fails must not hang us */
  assert (mkdtemp (folder) != NULL);
  for (i = 0; i < sizeof checks / sizeof checks[0]; i++) {
    assert (fleece_store_create (folder, folder, "vda", SIZE) == 0);
    checks[i] ();
    assert (fleece_store_remove (folder, "vda") == 0);
  }
  assert (rmdir (folder) == 0);
  return 0;
}
