/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client reads DISK, and finds what changed by a bitmap, or DISK@dirty, where all
 * the rest is zeros: what it has of a delta is what changed and was sent by
 * either.  Found by their names, so that a daemon that takes a backup over finds
 * them as well. */
#include <config.h>

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup-served.h"
#include "deadline.h"
#include "fleece-files.h"
#include "json-members.h"
#include "log.h"

#define COUNT_MS 1000
/* A map is at most 2 MiB. */
#define GRANULES_MAX (UINT64_C (1) << 24)
#define EXPORTS_MAX 2           /* DISK and DISK@dirty */

enum { SENT, CONFIRMED, KINDS };
static const char *const kinds[KINDS] = { "sent", "confirmed" };

struct backup_served {
  const struct granule_map *maps[KINDS][EXPORTS_MAX];
  size_t n;                     /* exports */
  struct granule_map *dirty;    /* what there is to serve; NULL: all */
  int64_t counted_ms;
  uint64_t counts[KINDS];       /* bytes, at that time */
};

static uint32_t
granule_for (uint64_t size)
{
  uint32_t granule = GRANULE_DEFAULT;

  while (size / granule >= GRANULES_MAX)
    granule *= 2;
  return granule;
}

static char *
map_path (const struct backup *backup, const struct backup_disk *disk,
          size_t export, int kind)
{
  return g_strdup_printf ("%s/%s%s.%s", backup->serving.served, disk->name,
                          export == 0 ? "" : "@" INCREMENTAL_LABEL,
                          kinds[kind]);
}

static int
create_maps (const struct backup *backup, const struct backup_disk *disk,
             struct failure *why)
{
  size_t exports = disk->incremental ? EXPORTS_MAX : 1;

  for (size_t export = 0; export < exports; export++)
    for (int kind = 0; kind < KINDS; kind++) {
      g_autofree char *path = map_path (backup, disk, export, kind);
      int r = granule_map_create (path, disk->size, granule_for (disk->size));

      if (r < 0)
        return failure_set (why, FAILURE_STORAGE, -r, "cannot create %s: %s",
                            path, g_strerror (-r));
    }
  return 0;
}

int
backup_served_create (struct backup *backup, struct failure *why)
{
  struct backup_disk *disk;
  int r = 0;

  /* What is there can only be a leftover of ours. */
  backup_served_remove (backup);
  if (mkdir (backup->serving.served, 0700) < 0)
    r = failure_set (why, FAILURE_STORAGE, errno, "cannot create %s: %s",
                     backup->serving.served, g_strerror (errno));
  FOR_EACH_DISK (backup, disk)
    if (r == 0)
      r = create_maps (backup, disk, why);
  return r;
}

static void
mend_map (const char *path, uint64_t size)
{
  struct granule_map *map = NULL;
  int r = granule_map_open (path, false, &map);

  if (r == 0 && granule_map_disk_size (map) != size)
    r = -ESTALE;
  granule_map_close (map);
  /* It serves without one. */
  if (r == 0 || r == -ENOENT)
    return;
  log_warning ("%s cannot be read (%s): what clients have is noted anew", path,
               g_strerror (-r));
  (void) unlink (path);
  r = granule_map_create (path, size, granule_for (size));
  if (r < 0)
    log_warning ("cannot create %s: %s", path, g_strerror (-r));
}

void
backup_served_mend (const struct backup *backup)
{
  const struct backup_disk *disk;

  FOR_EACH_DISK (backup, disk)
    for (size_t export = 0; export < EXPORTS_MAX; export++)
      for (int kind = 0; kind < KINDS; kind++) {
        g_autofree char *path = map_path (backup, disk, export, kind);

        mend_map (path, disk->size);
      }
}

void
backup_served_remove (struct backup *backup)
{
  GDir *dir = g_dir_open (backup->serving.served, 0, NULL);
  const char *name;

  if (dir == NULL)
    return;
  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (backup->serving.served, name,
                                              NULL);

    unlink (path);
  }
  g_dir_close (dir);
  if (rmdir (backup->serving.served) < 0)
    log_warning ("cannot remove %s: %s", backup->serving.served,
                 g_strerror (errno));
}

void
backup_served_close (struct backup_served *served)
{
  if (served == NULL)
    return;
  for (int kind = 0; kind < KINDS; kind++)
    for (size_t i = 0; i < EXPORTS_MAX; i++)
      granule_map_close ((struct granule_map *) served->maps[kind][i]);
  granule_map_close (served->dirty);
  g_free (served);
}

/* The changes of DISK; -errno: there is no map of them. */
static int
open_dirty (const struct backup *backup, const struct backup_disk *disk,
            struct granule_map **map)
{
  char path[4096];
  int r = fleece_dirty_path (backup->paths.maps_folder, disk->name,
                             INCREMENTAL_LABEL, path, sizeof path);

  return r < 0 ? r : granule_map_open (path, false, map);
}

static int
open_maps (const struct backup *backup, const struct backup_disk *disk,
           struct backup_served *served)
{
  size_t exports = disk->incremental ? EXPORTS_MAX : 1;
  int r = disk->incremental ? open_dirty (backup, disk, &served->dirty) : 0;

  for (; r == 0 && served->n < exports; served->n += r == 0)
    for (int kind = 0; r == 0 && kind < KINDS; kind++) {
      g_autofree char *path = map_path (backup, disk, served->n, kind);
      struct granule_map *map = NULL;

      r = granule_map_open (path, false, &map);
      served->maps[kind][served->n] = map;
    }
  return r;
}

static struct backup_served *
maps_of (const struct backup *backup, struct backup_disk *disk)
{
  struct backup_served *served = disk->served;

  if (served != NULL)
    return served;
  served = g_new0 (struct backup_served, 1);
  if (open_maps (backup, disk, served) == 0)
    return disk->served = served;
  backup_served_close (served);
  return NULL;
}

static uint64_t
dirty_bytes (const struct backup_disk *disk)
{
  const struct backup_since *since;

  FOR_EACH_SINCE (disk, since)
    if (strcmp (since->label, INCREMENTAL_LABEL) == 0)
      return since->dirty_bytes;
  return 0;
}

static void
add_to (json_object *sums, const char *key, uint64_t bytes)
{
  json_add_u64 (sums, key, json_get_u64 (sums, key) + bytes);
}

void
backup_served_info (const struct backup *backup, struct backup_disk *disk,
                    json_object *info, json_object *progress)
{
  struct backup_served *served = maps_of (backup, disk);
  uint64_t all = disk->incremental ? dirty_bytes (disk) : disk->size;
  const char *const keys[] = { "served", "confirmed", "left" };
  uint64_t bytes[3];

  if (served == NULL)
    return;
  if (served->counted_ms == 0 || now_ms () - served->counted_ms >= COUNT_MS) {
    for (int kind = 0; kind < KINDS; kind++)
      served->counts[kind] = granule_map_count_any (served->maps[kind],
                                                    served->n, served->dirty);
    served->counted_ms = now_ms ();
  }
  bytes[0] = served->counts[SENT];
  bytes[1] = served->counts[CONFIRMED];
  bytes[2] = all > bytes[0] ? all - bytes[0] : 0;
  for (size_t i = 0; i < G_N_ELEMENTS (keys); i++) {
    json_add_u64 (info, keys[i], bytes[i]);
    add_to (progress, keys[i], bytes[i]);
  }
}
