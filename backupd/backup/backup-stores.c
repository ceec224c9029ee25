/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Storage may hang, which no call returns from: what removes a store is a
 * process of its own (backup-store-files.c), and what is kept open of it is
 * closed first. */
#include <config.h>

#include <errno.h>
#include <unistd.h>

#include "backup-scratch.h"
#include "backup-steps.h"
#include "backup-store-files.h"
#include "backup-stores.h"
#include "deadline.h"
#include "fleece-files.h"
#include "fleece-store.h"
#include "log.h"
#include "process-spawn.h"

/* Removing many extents of a large file may take seconds. */
#define REMOVE_TIMEOUT_MS 5000
#define SHORT_PAUSE_MS 50

static int
open_store (const struct backup *backup, struct backup_disk *disk)
{
  int r = fleece_store_watch (backup->paths.scratch_folder,
                              backup->paths.maps_folder, disk->name,
                              &disk->store);

  return r < 0 || !backup_model_consume (backup) ? r
         : fleece_store_open_consumed (disk->store, backup->paths.maps_folder,
                                       disk->name);
}

static int
create_store (struct backup *backup, struct backup_disk *disk)
{
  int r = fleece_store_create (backup->paths.scratch_folder,
                               backup->paths.maps_folder, disk->name,
                               disk->size);

  if (r == 0 && backup_model_consume (backup))
    r = fleece_consume_create (backup->paths.maps_folder, disk->name,
                               disk->size);
  return r < 0 ? r : open_store (backup, disk);
}

/* Free with g_free. */
static const char **
disk_names (const struct backup *backup)
{
  const char **names = g_new0 (const char *, backup->disks->len);
  struct backup_disk *disk;

  FOR_EACH_DISK (backup, disk)
    names[i_] = disk->name;
  return names;
}

/* Leftovers under these names can only be ours. */
static int
remove_leftovers (const struct backup *backup, struct failure *why)
{
  g_autofree const char **names = disk_names (backup);
  const char *scratch = backup->paths.scratch_folder;
  struct failure remove_why = { 0 };
  int r;

  backup_store_files_end_removers (scratch, names, backup->disks->len);
  r = backup_store_files_remove (scratch, names, backup->disks->len,
                                 now_ms () + REMOVE_TIMEOUT_MS, &remove_why);
  return r == 0 ? 0
         : failure_set (why, remove_why.class, -r, "fleece stores cannot be "
                        "created in the scratch folder %s: %s", scratch,
                        remove_why.text);
}

int
backup_stores_create (void *context, struct failure *why)
{
  struct backup *backup = context;
  struct backup_disk *disk;
  int r = remove_leftovers (backup, why);

  if (r < 0)
    return r;
  FOR_EACH_DISK (backup, disk) {
    r = fleece_store_remove (backup->paths.maps_folder, disk->name);
    if (r == 0)
      r = create_store (backup, disk);
    if (r < 0)
      return failure_set (why, FAILURE_STORAGE, -r, "the fleece store of disk "
                          "%s cannot be created in the scratch folder %s: %s",
                          disk->name, backup->paths.scratch_folder,
                          g_strerror (-r));
  }
  return backup_scratch_create (backup, why);
}

void
backup_stores_break (const struct backup *backup)
{
  struct backup_disk *disk;

  FOR_EACH_DISK (backup, disk)
    if (disk->store != NULL)
      granule_map_set_broken (fleece_store_present (disk->store), EIO);
}

static int
find_map (const char *path, uint64_t size)
{
  struct granule_map *map = NULL;
  int r = granule_map_open (path, false, &map);

  /* Not known where a daemon died while it began. */
  if (r == 0 && size != 0 && granule_map_disk_size (map) != size)
    r = -ESTALE;
  granule_map_close (map);
  return r;
}

int
backup_stores_find (const struct backup *backup, struct failure *why)
{
  struct backup_disk *disk;

  FOR_EACH_DISK (backup, disk) {
    g_autofree char *path =
      g_strdup_printf ("%s/%s.present", backup->paths.maps_folder, disk->name);
    int r = find_map (path, disk->size);

    if (r < 0)
      return failure_set (why, FAILURE_STORAGE, -r, "%s: %s", path,
                          g_strerror (-r));
  }
  return 0;
}

int
backup_stores_look (const struct backup *backup)
{
  struct backup_disk *disk;
  int first = 0;

  FOR_EACH_DISK (backup, disk) {
    struct fleece_store *store = NULL;
    int r = fleece_store_watch (backup->paths.scratch_folder,
                                backup->paths.maps_folder, disk->name, &store);

    if (r == 0 && backup_model_consume (backup))
      r = fleece_store_open_consumed (store, backup->paths.maps_folder,
                                      disk->name);
    fleece_store_close (store);
    first = first != 0 ? first : r;
  }
  return first;
}

static int
renew_consume (const struct backup *backup, const struct backup_disk *disk)
{
  const char *maps = backup->paths.maps_folder;
  char consumed[4096], counted[4096];
  int r = fleece_consumed_path (maps, disk->name, consumed, sizeof consumed);

  if (r == 0)
    r = fleece_counted_path (maps, disk->name, counted, sizeof counted);
  if (r < 0)
    return r;
  (void) unlink (consumed);
  (void) unlink (counted);
  return fleece_consume_create (maps, disk->name, disk->size);
}

int
backup_stores_renew (struct backup *backup, struct failure *why)
{
  struct backup_disk *disk;

  FOR_EACH_DISK (backup, disk) {
    int r = disk->size == 0 ? -ENODATA : 0;

    /* Who has the old one open. */
    if (disk->store != NULL)
      granule_map_set_broken (fleece_store_present (disk->store), EIO);
    if (r == 0)
      r = fleece_store_create_broken (backup->paths.scratch_folder,
                                      backup->paths.maps_folder, disk->name,
                                      disk->size, EIO);
    if (r == 0 && backup_model_consume (backup))
      r = renew_consume (backup, disk);
    if (r < 0)
      return failure_set (why, FAILURE_STORAGE, -r, "the fleece store of disk "
                          "%s in %s is lost and cannot be made anew: %s",
                          disk->name, backup->paths.scratch_folder,
                          g_strerror (-r));
  }
  return 0;
}

static int
watch_store (struct backup *backup, struct backup_disk *disk)
{
  int r = open_store (backup, disk);
  struct backup_since *since;

  FOR_EACH_SINCE (disk, since) {
    struct granule_map *map;
    char path[4096];

    if (r == 0)
      r = fleece_dirty_path (backup->paths.maps_folder, disk->name,
                             since->label, path, sizeof path);
    if (r == 0)
      r = fleece_store_open_dirty (disk->store, path, &map);
  }
  if (r == 0 && granule_map_disk_size (fleece_store_present (disk->store)) !=
                disk->size)
    r = -ESTALE;
  return r;
}

int
backup_stores_watch (struct backup *backup, struct failure *why)
{
  struct backup_disk *disk;

  FOR_EACH_DISK (backup, disk) {
    int r = watch_store (backup, disk);

    if (r < 0)
      return failure_set (why, FAILURE_STORAGE, -r, "the fleece store of disk "
                          "%s in %s cannot be opened again: %s", disk->name,
                          backup->paths.scratch_folder, g_strerror (-r));
  }
  return 0;
}

static int
remove_now (const struct backup *backup, int64_t deadline, struct failure *why)
{
  g_autofree const char **names = disk_names (backup);
  struct backup_disk *disk;
  int first = 0, r;

  FOR_EACH_DISK (backup, disk) {
    r = fleece_store_remove (backup->paths.maps_folder, disk->name);
    if (r < 0 && first == 0)
      first = failure_set (why, FAILURE_STORAGE, -r, "%s: %s", disk->name,
                           g_strerror (-r));
  }
  r = backup_store_files_remove (backup->paths.scratch_folder, names,
                                 backup->disks->len, deadline, why);
  return first != 0 ? first : r;
}

/* Where descriptors are short, others give theirs back soon. */
static int
remove_stores (const struct backup *backup, int64_t deadline,
               struct failure *why)
{
  int r = remove_now (backup, deadline, why);

  while (process_spawn_is_short (r) && ms_left (deadline) > 0) {
    g_usleep (SHORT_PAUSE_MS * 1000);
    why->error = 0;
    r = remove_now (backup, deadline, why);
  }
  return r;
}

int
backup_stores_remove (void *context, struct failure *why)
{
  struct backup *backup = context;
  int64_t deadline = now_ms () + REMOVE_TIMEOUT_MS;
  struct failure remove_why = { 0 };
  struct backup_disk *disk;
  int r;

  if (backup->serving.sink_needed)
    return 0;
  backup_scratch_remove (backup);
  /* Before they are unlinked: the last to close one would wait for storage that
   * hangs. */
  FOR_EACH_DISK (backup, disk) {
    backup_store_files_leave (&disk->room.emptier);
    fleece_store_close (TAKE_PTR (disk->store));
  }
  r = remove_stores (backup, deadline, &remove_why);
  if (r == -ETIMEDOUT)
    log_warning ("the fleece stores of %s will be removed from %s when its "
                 "storage answers", backup->options.domain,
                 backup->paths.scratch_folder);
  else if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r, "the fleece stores of %s "
                        "cannot be removed from %s: %s", backup->options.domain,
                        backup->paths.scratch_folder, remove_why.text);
  return 0;
}
