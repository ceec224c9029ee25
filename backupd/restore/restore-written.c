/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rule R2: a map that is there, and has no bit, is the only proof that an image is
 * as it was, if it is this restore's.  What cannot be proven is half restored; so after the host
 * was started again, as maps are not synced: one that has survived may lack bits. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "granule-map.h"
#include "log.h"
#include "process-record.h"
#include "restore-journal.h"
#include "restore-serve.h"
#include "restore-storage.h"
#include "restore-written.h"

#define FOLDER_MODE 0711        /* the gateway's user passes through */

static char *
map_path (const char *folder, const char *disk)
{
  return g_strdup_printf ("%s/%s.written", folder, disk);
}

/* --- whose the folder is ------------------------------------------------------ */

/* 1: that restore's; 0: another's; -ENOENT: nobody knows. */
static int
is_ours (const struct restore *restore)
{
  g_autofree char *path = restore_model_file (restore, "restore", "id");
  g_autofree char *id = NULL;

  if (!g_file_get_contents (path, &id, NULL, NULL))
    return -ENOENT;
  return g_strcmp0 (id, restore->id) == 0;
}

bool
restore_written_is_others (const struct restore *restore)
{
  return is_ours (restore) == 0;
}

static int
note_ours (const struct restore *restore)
{
  g_autofree char *path = restore_model_file (restore, "restore", "id");

  return file_replace (path, restore->id, strlen (restore->id));
}

int
restore_written_check_unused (const struct restore *restore,
                              struct failure *why)
{
  g_autofree char *plugin = restore_serve_mark (restore);
  g_autofree char *storage = restore_storage_mark (restore);
  const char *const roles[] = { "plugin", "storage", "gateway" };
  const char *const marks[] = { plugin, storage, restore->routes };

  for (size_t i = 0; i < G_N_ELEMENTS (roles); i++) {
    g_autofree char *record = restore_model_file (restore, roles[i], "process");
    const char *const all[] = { marks[i], NULL };
    struct process process;
    unsigned restarts;

    if (process_record_find (record, all, &process, &restarts) < 0)
      continue;
    close (process.pidfd);
    return failure_set (why, FAILURE_BUSY, EBUSY, "a restore %s of another "
                        "daemon still runs in %s (process %d): commit or abort "
                        "it by a daemon that has the state folder it was begun "
                        "with, or use another name", restore->name,
                        restore->folder, (int) process.pid);
  }
  return 0;
}

/* --- the maps ------------------------------------------------------------------- */

/* Nobody has it any more. */
static void
remove_folder (const char *folder)
{
  GDir *dir = g_dir_open (folder, 0, NULL);
  const char *name;

  if (dir == NULL)
    return;
  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (folder, name, NULL);

    (void) unlink (path);
  }
  g_dir_close (dir);
  if (rmdir (folder) < 0)
    log_warning ("cannot remove %s: %s", folder, g_strerror (errno));
}

static int
make_folder (const char *folder, struct failure *why)
{
  g_autofree char *parent = g_path_get_dirname (folder);
  int r = file_make_folder (parent, FOLDER_MODE);

  if (r == 0)
    r = file_make_folder (folder, FOLDER_MODE);
  return r == 0 ? 0
         : failure_set (why, FAILURE_STORAGE, -r, "cannot create the folder "
                        "%s: %s", folder, g_strerror (-r));
}

/* NULL: not known.  g_free. */
static char *
boot_now (void)
{
  char *text = NULL;

  return g_file_get_contents ("/proc/sys/kernel/random/boot_id", &text, NULL,
                              NULL) ? g_strstrip (text) : NULL;
}

bool
restore_written_in_this_boot (const struct restore *restore)
{
  g_autofree char *boot = boot_now ();

  return boot != NULL && g_strcmp0 (boot, restore->boot) == 0;
}

int
restore_written_create (void *context, struct failure *why)
{
  struct restore *restore = context;
  struct restore_image *image;
  int r;

  remove_folder (restore->folder);
  g_free (restore->boot);
  restore->boot = boot_now ();
  r = make_folder (restore->folder, why);
  if (r == 0) {
    r = note_ours (restore);
    if (r < 0)
      return failure_set (why, FAILURE_STORAGE, -r, "cannot write in %s: %s",
                          restore->folder, g_strerror (-r));
  }
  FOR_EACH_RESTORE_IMAGE (restore, image) {
    g_autofree char *path = map_path (restore->folder, image->disk);

    if (r == 0)
      r = granule_map_create (path, restore_target_size (image->target),
                              GRANULE_DEFAULT);
    if (r < 0)
      return failure_set (why, FAILURE_STORAGE, -r, "cannot create %s: %s",
                          path, g_strerror (-r));
  }
  return r;
}

int
restore_written_bytes (const char *folder, const char *disk, uint64_t *bytes)
{
  g_autofree char *path = map_path (folder, disk);
  struct granule_map *map = NULL;
  int r = granule_map_open (path, false, &map);

  if (r < 0)
    return r;
  *bytes = granule_map_count_bytes (map);
  r = -granule_map_broken (map);
  granule_map_close (map);
  return r;
}

int
restore_written_judge (void *context, struct failure *why)
{
  struct restore *restore = context;
  struct restore_image *image;
  bool proves = restore_written_in_this_boot (restore) &&
                is_ours (restore) == 1 &&
                (restore->qemu != NULL ||
                 (!restore->broken && !restore->lost));
  uint64_t bytes;

  if (restore->phase != RESTORE_PHASE_WRITABLE)
    return 0;
  FOR_EACH_RESTORE_IMAGE (restore, image)
    if (!image->create &&
        (!proves ||
         restore_written_bytes (restore->folder, image->disk, &bytes) < 0 ||
         bytes > 0))
      image->half = true;
  return restore_journal_write_phase (restore, RESTORE_PHASE_ENDING, why);
}

int
restore_written_remove (void *context, struct failure *why)
{
  struct restore *restore = context;

  if (!restore_written_is_others (restore))
    remove_folder (restore->folder);
  return 0;
}
