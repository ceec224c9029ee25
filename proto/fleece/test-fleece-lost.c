/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stores of which something is lost, or that another version has made. */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fleece-files.h"
#include "fleece-store.h"
#include "full-io.h"

#define G GRANULE_DEFAULT
#define SIZE (5ull * G + 1000)

static char folder[] = "test-fleece-lost-XXXXXX";
static char buffer[SIZE];

/* Over after one call. */
static int late_error;          /* of sync_file_range */

int __real_sync_file_range (int fd, off_t offset, off_t length, unsigned flags);
int __wrap_sync_file_range (int fd, off_t offset, off_t length, unsigned flags);
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

static struct fleece_store *
open_store (bool writable)
{
  struct fleece_store *store = NULL;

  assert (fleece_store_open (folder, folder, "vda", writable, &store) == 0);
  return store;
}

/* A granule that is present and has no slot: nobody reads another's, and all know. */
static void
check_slot_lost (void)
{
  static const uint32_t wrong[] = { 0, 2, UINT32_MAX - 1 };
  struct fleece_store *sink = open_store (true), *view = open_store (false);
  struct fleece_store *later;
  uint64_t n, place;
  char path[PATH_MAX];
  int fd;

  assert (fleece_store_write (sink, buffer, G, G) == 0);
  assert (fleece_maps_look (folder, "vda", SIZE) == 0);
  assert (fleece_maps_look (folder, "vda", SIZE + 1) == -ESTALE);
  assert (fleece_slots_path (folder, "vda", path, sizeof path) == 0);
  fd = open (path, O_RDWR);
  assert (fd >= 0);
  for (size_t i = 0; i < 3; i++) {
    assert (full_pwrite (fd, &wrong[i], sizeof wrong[i], 4096 + 4) == 0);
    assert (fleece_maps_look (folder, "vda", SIZE) == -EINVAL);
    assert (fleece_store_open (folder, folder, "vda", false, &later) ==
            -EINVAL);
  }
  close (fd);
  assert (fleece_store_broken (sink) == 0);
  assert (fleece_store_find (view, G, G, &n, &place) == -EIO);
  assert (fleece_store_broken (sink) == EIO);
  fleece_store_close (view);
  fleece_store_close (sink);
}

/* A store of an earlier version may be watched, and that is all. */
static void
check_earlier_version (void)
{
  struct fleece_store *store;
  char path[PATH_MAX];

  assert (fleece_slots_path (folder, "vda", path, sizeof path) == 0);
  assert (unlink (path) == 0);
  assert (fleece_store_watch (folder, folder, "vda", &store) == -ENOENT);
  assert (fleece_maps_look (folder, "vda", SIZE) == -ENOENT);
  assert (fleece_present_path (folder, "vda", path, sizeof path) == 0);
  assert (unlink (path) == 0);
  assert (granule_map_create (path, SIZE, G) == 0);
  assert (fleece_maps_look (folder, "vda", SIZE) == 0);
  assert (fleece_store_open (folder, folder, "vda", true, &store) ==
          -EPROTONOSUPPORT);
  assert (fleece_store_open (folder, folder, "vda", false, &store) ==
          -EPROTONOSUPPORT);
  assert (fleece_store_watch (folder, folder, "vda", &store) == 0);
  assert (fleece_store_broken (store) == 0);
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

/* Whatever is left of the old one, nobody reads what takes its place. */
static void
check_made_anew (void)
{
  static const char *const lost[] = { "vda.data", "vda.present",
                                       "vda.slots", NULL };
  struct fleece_store *old, *store;
  char path[PATH_MAX];
  size_t i;

  for (i = 0; i <= sizeof lost / sizeof *lost; i++) {
    assert (fleece_store_open (folder, folder, "vda", true, &old) == 0);
    snprintf (path, sizeof path, "%s/%s", folder, lost[i % 4] == NULL
              ? "vda.data" : lost[i % 4]);
    assert (lost[i % 4] == NULL ? truncate (path, 1) == 0 : unlink (path) == 0);
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
  void (*const checks[]) (void) = { check_slot_lost, check_earlier_version,
                                    check_lost_is_kept, check_made_anew };

  assert (mkdtemp (folder) != NULL);
  for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
    assert (fleece_store_create (folder, folder, "vda", SIZE) == 0);
    checks[i] ();
    assert (fleece_store_remove (folder, "vda") == 0);
  }
  assert (rmdir (folder) == 0);
  return 0;
}
