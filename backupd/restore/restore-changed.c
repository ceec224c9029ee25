/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client that trusts this leaves all else as it is: what is in doubt is refused, before an image
 * is marked where that can be seen by then. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "client.h"
#include "granule-map.h"
#include "name.h"
#include "restore-changed.h"
#include "restore-range.h"
#include "restore-since.h"
#include "restore-storage.h"
#include "restore-storage-daemon.h"

#define IMPORT_MS patience_ms (120000)

int
restore_changed_plan (struct restore *restore, struct failure *why)
{
  const struct arguments_restore_begin *given = restore->given;
  const char *format = given->format;
  const struct restore_image *image;

  restore->since = g_strdup (given->since);
  if (given->since == NULL)
    return 0;
  if (given->create != NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--since is for "
                        "images that exist: all of a new one must be written");
  if (given->differing_from.n > 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "say either --since, "
                        "for clients that write what has changed, or "
                        "--differing-from, by which the daemon itself does");
  FOR_EACH_RESTORE_IMAGE (restore, image) {
    const char *is = image->format != NULL ? image->format : format;

    if (g_strcmp0 (is, "qcow2") != 0)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "%s is %s, and "
                          "only qcow2 images keep bitmaps that tell what has "
                          "changed since %s: write all of it, or say "
                          "--differing-from", image->path,
                          is == NULL ? "of no format" : is, given->since);
  }
  return 0;
}

char *
restore_changed_export (const struct restore *restore,
                        const struct restore_image *image)
{
  return restore->since == NULL ? NULL
         : g_strconcat (image->disk, "@changed", NULL);
}

char *
restore_changed_context (const struct restore *restore)
{
  return restore->since == NULL ? NULL
         : g_strconcat (CONTEXT_DIRTY_PREFIX "restore-", restore->since, NULL);
}

/* REASON: for people. */
static int
unknown (const struct restore *restore, const struct restore_image *image,
         const char *reason, struct failure *why)
{
  return failure_set (why, FAILURE_CHAIN, ESTALE, "what has changed on %s since "
                      "checkpoint %s is not known (%s): restore it without "
                      "--since, or let --differing-from find what differs",
                      restore_target_path (image->target), restore->since,
                      reason);
}

int
restore_changed_find (void *context, struct failure *why)
{
  struct restore *restore = context;
  struct restore_image *image;

  if (restore->since == NULL)
    return 0;
  FOR_EACH_RESTORE_IMAGE (restore, image) {
    struct failure reason = { .error = 0 };
    int r = restore_range_find (restore->settings->state, restore->since,
                                image->target, &image->range, &reason);

    if (r < 0 && reason.class == FAILURE_CHAIN)
      return unknown (restore, image, reason.text, why);
    if (r < 0) {
      *why = reason;
      return r;
    }
  }
  return 0;
}

/* --- the map ---------------------------------------------------------------------- */

static char *
map_path (const char *folder, const char *export)
{
  return g_strdup_printf ("%s/%s.dirty", folder, export);
}

static int
create_map (const char *path, uint64_t size, struct granule_map **map,
            struct failure *why)
{
  int r = granule_map_create (path, size, GRANULE_DEFAULT);

  if (r == 0)
    r = granule_map_open (path, true, map);
  return r == 0 ? 0
         : failure_set (why, FAILURE_STORAGE, -r, "cannot create the map %s: %s",
                        path, g_strerror (-r));
}

/* What is exported as EXPORT, DIRTY bytes of it, and what the disk has grown by since. */
static int
fill_map (const struct restore *restore, const struct restore_image *image,
          const char *export, uint64_t dirty, struct granule_map *map,
          struct failure *why)
{
  const struct client_address address = { .socket = restore->storage_socket };
  uint64_t size = restore_target_size (image->target);
  uint64_t before = image->range->oldest_size;
  struct client_bitmap bitmap = {
    .export_name = export, .map = map,
    .context = CONTEXT_DIRTY_PREFIX RESTORE_SINCE_BITMAP,
    .dirty = dirty, .least = GRANULE_DEFAULT
  };
  int r = client_import (&address, &bitmap, 1, IMPORT_MS, why);

  if (r == 0 && before < size)
    r = granule_map_set (map, before, size - before);
  return r;
}

static int
import (struct restore *restore, const struct restore_image *image,
        struct qmp *qmp, const char *node, struct failure *why)
{
  g_autofree char *export = restore_changed_export (restore, image);
  g_autofree char *path = map_path (restore->folder, export);
  uint64_t size = restore_target_size (image->target), dirty = 0;
  struct failure reason = { .error = 0 };
  struct granule_map *map = NULL;
  int r = create_map (path, size, &map, why);

  if (r < 0)
    return r;
  r = restore_since_export (qmp, node, size,
                            (const char *const *) image->range->bitmaps->pdata,
                            export, &dirty, &reason);
  if (r == 0)
    r = fill_map (restore, image, export, dirty, map, &reason);
  if (r == 0)
    r = restore_since_remove (qmp, node, &reason);
  granule_map_close (map);
  return r == 0 ? 0 : unknown (restore, image, reason.text, why);
}

int
restore_changed_import (void *context, struct failure *why)
{
  struct restore *restore = context;
  struct restore_image *image;
  struct qmp *qmp = NULL;
  size_t n = 0;
  int r;

  if (restore->since == NULL)
    return 0;
  r = qmp_open (restore->monitor, QMP_TIMEOUT_MS, &qmp, why);
  FOR_EACH_RESTORE_IMAGE (restore, image)
    if (r == 0 && restore_storage_has (image)) {
      g_autofree char *node = restore_storage_daemon_node (n++);

      r = import (restore, image, qmp, node, why);
    }
  qmp_close (qmp);
  return r;
}

int
restore_changed_bytes (const char *folder, const char *export, uint64_t *bytes)
{
  g_autofree char *path = map_path (folder, export);
  struct granule_map *map = NULL;
  int r = granule_map_open (path, false, &map);

  if (r == 0)
    *bytes = granule_map_count_bytes (map);
  granule_map_close (map);
  return r;
}
