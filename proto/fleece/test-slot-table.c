/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "full-io.h"
#include "slot-table.h"

#define G 65536u
#define GRANULES 1000u
#define SIZE ((GRANULES - 1ull) * G + 1000)
#define THREADS 4u

static char folder[] = "test-slot-table-XXXXXX", path[64], map_path[64];
static struct granule_map *present;
static struct slot_table *slots;

static void
check_find (void)
{
  uint64_t first, n, place = 7;

  assert (slot_table_find (slots, 0, SIZE, &n, &place) == -EIO);
  assert (slot_table_take (slots, 3, &first) == 0 && first == 0);
  assert (slot_table_set (slots, 4 * G, 3 * G, 0) == 0);
  assert (slot_table_find (slots, 4 * G, SIZE - 4 * G, &n, &place) ==
          SLOT_DATA);
  assert (n == 3 * G && place == 0);
  assert (slot_table_find (slots, 5 * G + 9, G, &n, &place) == SLOT_DATA);
  assert (n == G && place == G + 9);
  assert (slot_table_find (slots, 6 * G + 9, SIZE - 7 * G, &n, &place) ==
          SLOT_DATA);
  assert (n == G - 9 && place == 2 * G + 9);

  /* Neighbours that lie apart, or the other way round, and the short one. */
  assert (slot_table_take (slots, 3, &first) == 0 && first == 3);
  assert (slot_table_set (slots, 9 * G, G, 4 * G) == 0);
  assert (slot_table_set (slots, 10 * G, G, 3 * G) == 0);
  assert (slot_table_find (slots, 9 * G, 2 * G, &n, &place) == SLOT_DATA);
  assert (n == G && place == 4 * G);
  assert (slot_table_set (slots, SIZE - 1000, 1000, 5 * G) == 0);
  assert (slot_table_find (slots, SIZE - 1, 1, &n, &place) == SLOT_DATA);
  assert (n == 1 && place == 5 * G + 999);

  assert (slot_table_set_zeros (slots, 20 * G, 5 * G) == 0);
  assert (slot_table_find (slots, 21 * G, 100 * G, &n, &place) == SLOT_ZEROS);
  assert (n == 4 * G);
  assert (slot_table_find (slots, 21 * G + 1, 1, &n, &place) == SLOT_ZEROS);
  assert (n == 1);

  /* Not taken yet: only a torn table says so. */
  assert (slot_table_set (slots, 30 * G, 2 * G, 5 * G) == 0);
  assert (slot_table_find (slots, 30 * G, 2 * G, &n, &place) == SLOT_DATA);
  assert (n == G && place == 5 * G);
  assert (slot_table_find (slots, 31 * G, G, &n, &place) == -EIO);
}

/* They take no room but those of what is stored, and the last slot is the last. */
static void
check_size_and_end (void)
{
  uint64_t first, taken = 0xfffffffe - 5;
  struct stat st;
  int fd = open (path, O_RDWR);

  assert (fd >= 0 && fstat (fd, &st) == 0);
  assert (st.st_size == 4096 + GRANULES * 4);
  assert (full_pwrite (fd, &taken, sizeof taken, 32) == 0);
  assert (slot_table_take (slots, 6, &first) == -EFBIG);
  assert (slot_table_take (slots, 5, &first) == 0 && first == taken);
  assert (slot_table_take (slots, 1, &first) == -EFBIG);
  assert (slot_table_take (slots, UINT64_MAX, &first) == -EFBIG);
  close (fd);
}

static int
reopen (bool writable)
{
  slot_table_close (slots);
  slots = NULL;
  return slot_table_open (path, writable, present, &slots);
}

static void
check_open (void)
{
  static const struct { off_t at; const char *bytes; int error; } wrong[] = {
    { 0, "X", -EINVAL }, { 8, "\2", -EPROTONOSUPPORT },
    { 12, "\1", -EPROTONOSUPPORT }, { 16, "\1", -EINVAL },
    { 25, "\1", -EINVAL }, { 26, "\2", -EINVAL },
  };
  uint64_t first;
  struct stat st;
  char was;
  int fd = open (path, O_RDWR);

  assert (fd >= 0 && reopen (false) == 0);
  assert (slot_table_lost (slots) == 0);
  assert (slot_table_take (slots, 1, &first) == -EBADF);
  assert (slot_table_set (slots, 0, G, 0) == -EBADF);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    assert (full_pread (fd, &was, 1, (uint64_t) wrong[i].at) == 0);
    assert (full_pwrite (fd, wrong[i].bytes, 1, (uint64_t) wrong[i].at) == 0);
    assert (reopen (true) == wrong[i].error);
    assert (full_pwrite (fd, &was, 1, (uint64_t) wrong[i].at) == 0);
  }
  assert (fstat (fd, &st) == 0 && ftruncate (fd, st.st_size - 1) == 0);
  assert (reopen (true) == -EINVAL);
  assert (ftruncate (fd, st.st_size) == 0 && reopen (true) == 0);
  /* Who is present has a slot; of a broken map nobody asks. */
  assert (granule_map_set (present, 7 * G, G) == 0);
  assert (reopen (true) == -EINVAL);
  granule_map_set_broken (present, EIO);
  assert (reopen (true) == 0);
  close (fd);
}

/* Each takes slots and stores, and says so by the present map alone. */
static void *
store_some (void *data)
{
  unsigned own = *(unsigned *) data, g;
  uint64_t slot;

  for (g = own; g < GRANULES - 1; g += THREADS)
    if (slot_table_take (slots, 1, &slot) < 0 ||
        slot_table_set (slots, (uint64_t) g * G, G, slot * G) < 0 ||
        granule_map_set (present, (uint64_t) g * G, G) < 0)
      return data;
  return NULL;
}

static void
check_threads (void)
{
  pthread_t threads[THREADS];
  unsigned numbers[THREADS], g, i;
  bool *seen = calloc (GRANULES, sizeof *seen);
  uint64_t n, place;
  void *wrong;

  assert (seen != NULL);
  for (i = 0; i < THREADS; i++) {
    numbers[i] = i;
    assert (pthread_create (&threads[i], NULL, store_some, &numbers[i]) == 0);
  }
  for (g = 0; g < GRANULES - 1; g++) {
    while (!granule_map_test (present, (uint64_t) g * G))
      continue;
    assert (slot_table_find (slots, (uint64_t) g * G, G, &n, &place) ==
            SLOT_DATA);
    assert (place % G == 0 && place / G < GRANULES && !seen[place / G]);
    seen[place / G] = true;
  }
  for (i = 0; i < THREADS; i++)
    assert (pthread_join (threads[i], &wrong) == 0 && wrong == NULL);
  free (seen);
}

int
main (void)
{
  void (*const checks[]) (void) = { check_find, check_size_and_end,
                                    check_open, check_threads };

  alarm (60);
  assert (mkdtemp (folder) != NULL);
  snprintf (path, sizeof path, "%s/slots", folder);
  snprintf (map_path, sizeof map_path, "%s/present", folder);
  for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
    assert (granule_map_create (map_path, SIZE, G) == 0);
    assert (granule_map_open (map_path, true, &present) == 0);
    assert (slot_table_create (path, SIZE, G) == 0);
    assert (slot_table_create (path, SIZE, G) == -EEXIST);
    assert (slot_table_open (path, true, present, &slots) == 0);
    checks[i] ();
    slot_table_close (slots);
    granule_map_close (present);
    assert (unlink (path) == 0 && unlink (map_path) == 0);
  }
  assert (rmdir (folder) == 0);
  return 0;
}
