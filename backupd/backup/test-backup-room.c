/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mark: no-valgrind (it does not know pidfds) */
/* Rule B6 on the daemon's side: the store of a broken backup is emptied when its
 * sink says that it rests, or has ended, and not before; then the figures fall. */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "backup-room.h"
#include "backup-stores.h"
#include "deadline.h"
#include "fleece-files.h"
#include "scratch-figures.h"
#include "scratch-ledger.h"

#define G GRANULE_DEFAULT
#define SIZE (16ull * G)
#define STORED (5ull * G)
#define LIMIT (64ull * G)
#define PATIENCE_MS 20000
#define LOOKS 5
#define LOOK_US 20000

static char folder[] = "/tmp/pullback-room-XXXXXX";
static const char *const names[] = { "vda", "vdb" };

static char *
path_of (const char *name)
{
  return g_build_filename (folder, name, NULL);
}

static blkcnt_t
blocks_of (const struct backup *backup, const char *disk)
{
  g_autofree char *path = g_strdup_printf ("%s/%s.data",
                                           backup->paths.scratch_folder, disk);
  struct stat st;

  assert (stat (path, &st) == 0 && (uint64_t) st.st_size == SIZE);
  return st.st_blocks;
}

static struct scratch_seen
figures_of (const struct backup *backup)
{
  struct scratch_seen seen;

  scratch_figures_look (backup->figures, &seen);
  return seen;
}

/* As its sink would have. */
static void
store (struct backup *backup, const char *name)
{
  static char data[STORED];
  struct fleece_store *written;

  memset (data, 'o', sizeof data);
  assert (fleece_store_open (backup->paths.scratch_folder,
                             backup->paths.maps_folder, name, true,
                             &written) == 0);
  fleece_store_count (written, backup->figures);
  assert (fleece_store_write (written, data, sizeof data, 0) == 0);
  fleece_store_close (written);
}

/* A backup of two disks that has stored something of both, and whose room counts. */
static struct backup *
begin (void)
{
  const struct backup_options options = { .domain = "vm1" };
  struct backup_paths paths = { .private_folder = folder };
  struct scratch_terms terms = { .limit = 0 };
  struct backup *backup;
  size_t i;

  paths.scratch_folder = path_of ("f");
  paths.maps_folder = path_of ("maps/vm1");
  backup = backup_model_create (&options, &paths, "1234abcd");
  terms.account = scratch_ledger_enter (path_of ("maps"), "vm1", LIMIT);
  assert (terms.account >= 0);
  assert (scratch_figures_create (paths.maps_folder, &terms) == 0);
  assert (scratch_figures_open (paths.maps_folder, &backup->figures) == 0);
  for (i = 0; i < G_N_ELEMENTS (names); i++) {
    struct backup_disk *disk = backup_model_add_disk (backup, names[i], "node");

    disk->size = SIZE;
    assert (fleece_store_create (paths.scratch_folder, paths.maps_folder,
                                 disk->name, SIZE) == 0);
    assert (fleece_store_watch (paths.scratch_folder, paths.maps_folder,
                                disk->name, &disk->store) == 0);
    store (backup, disk->name);
    assert (blocks_of (backup, disk->name) > 0);
  }
  assert (figures_of (backup).host_used == 2 * STORED);
  backup->state = BACKUP_BROKEN;
  return backup;
}

static void
end (struct backup *backup)
{
  size_t i;

  for (i = 0; i < G_N_ELEMENTS (names); i++) {
    assert (fleece_store_remove (backup->paths.scratch_folder, names[i]) == 0);
    assert (fleece_store_remove (backup->paths.maps_folder, names[i]) == 0);
  }
  assert (scratch_figures_remove (backup->paths.maps_folder) == 0);
  assert (scratch_ledger_leave (path_of ("maps"), "vm1") == 0);
  backup_model_destroy (backup);
}

static struct process_child *
start_child (void)
{
  char *argv[] = { (char *) "sleep", (char *) "100", NULL };
  struct process_child *child = NULL;
  struct failure why = { .error = 0 };
  int ends[2];

  assert (pipe (ends) == 0);
  assert (process_child_start (&(struct process_child_spec) {
                                 .role = "sink", .argv = argv,
                                 .listen_fd = ends[0] }, &child, &why) == 0);
  close (ends[1]);
  return child;
}

static bool
all_broken (const struct backup *backup)
{
  struct backup_disk *disk;

  FOR_EACH_DISK (backup, disk)
    if (granule_map_broken (fleece_store_present (disk->store)) != EIO)
      return false;
  return true;
}

static void
must_stay (struct backup *backup)
{
  unsigned i;

  for (i = 0; i < LOOKS; i++) {
    backup_room_give_back (backup);
    g_usleep (LOOK_US);
  }
  assert (blocks_of (backup, "vda") > 0 && blocks_of (backup, "vdb") > 0);
  assert (figures_of (backup).used == 2 * STORED && backup->freed == 0);
}

static void
must_go (struct backup *backup)
{
  int64_t deadline = now_ms () + PATIENCE_MS;

  while (!backup->room_is_free) {
    assert (ms_left (deadline) > 0);
    backup_room_give_back (backup);
    g_usleep (LOOK_US);
  }
  assert (all_broken (backup));
  assert (blocks_of (backup, "vda") == 0 && blocks_of (backup, "vdb") == 0);
  assert (figures_of (backup).used == 0);
  assert (figures_of (backup).host_used == 0);
  assert (backup->freed == 2 * STORED);
}

static void
check_sink_rests (void)
{
  struct backup *backup = begin ();

  backup->serving.sink = start_child ();
  must_stay (backup);
  assert (all_broken (backup));
  scratch_figures_rest (backup->figures);
  must_go (backup);
  process_child_stop (backup->serving.sink);
  end (backup);
}

static void
check_sink_ended (void)
{
  struct backup *backup = begin ();

  must_go (backup);
  end (backup);
}

/* Clients may be reading yet. */
static void
check_committed (void)
{
  struct backup *backup = begin ();

  backup->state = BACKUP_ENDING;
  backup->serving.view = start_child ();
  must_stay (backup);
  assert (!all_broken (backup));
  process_child_stop (backup->serving.view);
  backup->serving.view = NULL;
  must_go (backup);
  end (backup);
}

/* In the place of truncate (1). */
static void
put_program (const char *script)
{
  g_autofree char *path = path_of ("bin/truncate");

  assert (g_file_set_contents (path, script, -1, NULL));
  assert (chmod (path, 0755) == 0);
}

/* It is tried once, and what it takes counts. */
static void
check_fails (void)
{
  struct backup *backup = begin ();
  struct backup_disk *disk;
  int64_t deadline = now_ms () + PATIENCE_MS;
  unsigned stuck = 0;

  put_program ("#!/bin/sh\necho no such luck >&2\nexit 1\n");
  while (stuck < backup->disks->len) {
    assert (ms_left (deadline) > 0);
    backup_room_give_back (backup);
    stuck = 0;
    FOR_EACH_DISK (backup, disk)
      stuck += disk->room.state == BACKUP_ROOM_STUCK;
    g_usleep (LOOK_US);
  }
  put_program ("#!/bin/sh\nexec /usr/bin/truncate \"$@\"\n");
  must_stay (backup);
  end (backup);
}

/* Nobody waits for it, nor does the end. */
static void
check_hangs (void)
{
  struct backup *backup = begin ();
  int64_t started = now_ms ();

  put_program ("#!/bin/sh\nexec sleep 30\n");
  must_stay (backup);
  end (backup);
  assert (now_ms () - started < 20000);
}

int
main (void)
{
  static const char *const folders[] = { "f", "maps", "maps/vm1", "bin" };
  g_autofree char *bin = NULL, *command = NULL, *path = NULL;
  size_t i;

  alarm (300);
  assert (mkdtemp (folder) != NULL);
  for (i = 0; i < G_N_ELEMENTS (folders); i++)
    assert (mkdir (path_of (folders[i]), 0700) == 0);
  assert (process_child_watcher_start () == 0);
  check_sink_rests ();
  check_sink_ended ();
  check_committed ();
  bin = path_of ("bin");
  path = g_strdup_printf ("%s:%s", bin, g_getenv ("PATH"));
  assert (g_setenv ("PATH", path, TRUE));
  check_fails ();
  check_hangs ();
  process_child_watcher_stop ();
  command = g_strdup_printf ("rm -r -- %s", folder);
  assert (system (command) == 0);
  return 0;
}
