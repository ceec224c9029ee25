/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rule B6: when nothing is stored in a broken store any more, and that it may have
 * been emptied. */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fleece-files.h"
#include "fleece-store.h"
#include "full-io.h"
#include "test-held-write.h"

#define G GRANULE_DEFAULT
#define SIZE (4ull * G)

static char folder[] = "test-fleece-rests-XXXXXX";
static char data[SIZE];

static struct fleece_store *
open_store (bool writable)
{
  struct fleece_store *store = NULL;

  assert (fleece_store_open (folder, folder, "vda", writable, &store) == 0);
  return store;
}

static uint64_t
present_bytes (struct fleece_store *store)
{
  return granule_map_count_bytes (fleece_store_present (store));
}

static void *
write_one (void *store)
{
  return fleece_store_write (store, data, G, 0) == 0 ? NULL : store;
}

static void *
write_two (void *store)
{
  return fleece_store_write (store, data, 2 * G, 0) == 0 ? NULL : store;
}

/* The first is in the middle of its write, the second waits for the first's granule,
 * and has looked at "broken" before. */
static void
check_under_way (void)
{
  struct fleece_store *store = open_store (true);
  pthread_t first, second;
  void *wrong;

  assert (!fleece_store_rests (store));
  test_held_write_begin ();
  assert (pthread_create (&first, NULL, write_one, store) == 0);
  test_held_write_wait ();
  assert (pthread_create (&second, NULL, write_two, store) == 0);
  /* Long enough for it to come to where it waits. */
  usleep (200000);
  granule_map_set_broken (fleece_store_present (store), ENOSPC);
  assert (!fleece_store_rests (store));
  test_held_write_end ();
  assert (pthread_join (first, &wrong) == 0 && wrong == NULL);
  assert (pthread_join (second, &wrong) == 0 && wrong == NULL);
  assert (fleece_store_rests (store));
  /* What was under way is there, the rest was not begun. */
  assert (present_bytes (store) == G);
  fleece_store_close (store);
}

static void
check_stores_nothing (void)
{
  struct fleece_store *store = open_store (true);
  char got[G], zeros[G] = { 0 };

  granule_map_set_broken (fleece_store_present (store), EIO);
  assert (fleece_store_rests (store));
  assert (fleece_store_write (store, data, G, G) == 0);
  assert (fleece_store_zero (store, G, 2ull * G) == 0);
  assert (present_bytes (store) == 0);
  assert (full_pread (fleece_store_data_fd (store), got, G, G) == 0);
  assert (memcmp (got, zeros, G) == 0);
  fleece_store_close (store);
}

/* Somebody was killed who was emptying it. */
static void
check_any_size (void)
{
  struct fleece_store *store = open_store (true), *again = NULL;
  char path[PATH_MAX];

  assert (fleece_data_path (folder, "vda", path, sizeof path) == 0);
  assert (truncate (path, 0) == 0);
  assert (fleece_store_open (folder, folder, "vda", true, &again) == -EINVAL);
  granule_map_set_broken (fleece_store_present (store), EIO);
  fleece_store_close (store);
  store = open_store (true);
  assert (fleece_store_rests (store));
  again = open_store (false);
  assert (fleece_store_broken (again) == EIO);
  fleece_store_close (again);
  fleece_store_close (store);
}

int
main (void)
{
  void (*const checks[]) (void) = {
    check_under_way, check_stores_nothing, check_any_size
  };
  size_t i;

  alarm (300);
  memset (data, 'd', sizeof data);
  assert (mkdtemp (folder) != NULL);
  for (i = 0; i < sizeof checks / sizeof checks[0]; i++) {
    assert (fleece_store_create (folder, folder, "vda", SIZE) == 0);
    checks[i] ();
    assert (fleece_store_remove (folder, "vda") == 0);
  }
  assert (rmdir (folder) == 0);
  return 0;
}
