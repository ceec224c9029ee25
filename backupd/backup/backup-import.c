/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bitmaps of QEMU become dirty maps that the view can read: each is exported
 * for a moment and read by our own NBD client.  All disks at once, range by
 * range; what QEMU says is clean needs neither. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "client.h"
#include "backup-qemu.h"
#include "backup-steps.h"
#include "fleece-files.h"
#include "fleece-store.h"
#include "json-members.h"
#include "log.h"
#include "name.h"
#include "qmp-export.h"
#include "qmp-graph.h"
#include "qmp-node.h"

#define IMPORT_TIMEOUT_MS patience_ms (120000)

/* Where nothing is known of the images: sector by sector. */
#define ALLOCATED_LEAST 512

/* A range of a disk. */
struct share {
  struct backup_disk *disk;
  struct backup_since *since;
  struct granule_map *map;
  uint64_t dirty;               /* of struct client_bitmap */
  char *name, *context;         /* of its export */
};

static void
share_clear (gpointer data)
{
  struct share *share = data;

  g_free (share->name);
  g_free (share->context);
}

static int
import_failed (const struct share *share, int r, const struct failure *reason,
               struct failure *why)
{
  return failure_set (why, reason->class, -r, "the changes of disk %s since %s "
                      "cannot be imported: %s", share->disk->name,
                      share->since->checkpoint, reason->text);
}

/* --- maps --------------------------------------------------------- */

static int
create_map (const struct backup *backup, struct share *share,
            struct failure *why)
{
  struct backup_disk *disk = share->disk;
  char path[4096];
  int r = fleece_dirty_path (backup->paths.maps_folder, disk->name,
                             share->since->label, path, sizeof path);

  if (r == 0)
    r = granule_map_create (path, disk->size, GRANULE_DEFAULT);
  if (r == 0)
    r = fleece_store_open_dirty (disk->store, path, &share->map);
  return r == 0 ? 0
         : failure_set (why, FAILURE_STORAGE, -r, "the dirty map of disk %s "
                        "since %s cannot be created in the maps folder %s: %s",
                        disk->name, share->since->checkpoint,
                        backup->paths.maps_folder, g_strerror (-r));
}

/* What the disk has grown by is not in the older backup. */
static int
complete_map (struct share *share, struct failure *why)
{
  struct backup_since *since = share->since;
  uint64_t size = share->disk->size;
  struct failure reason = { .class = FAILURE_STORAGE };
  int r = since->oldest_size >= size ? 0
          : granule_map_set (share->map, since->oldest_size,
                             size - since->oldest_size);

  since->dirty_bytes = granule_map_count_bytes (share->map);
  g_strlcpy (reason.text, g_strerror (-r), sizeof reason.text);
  return r == 0 ? 0 : import_failed (share, r, &reason, why);
}

/* --- one round ---------------------------------------------------- */

static uint64_t
dirty_bytes (json_object *nodes, const struct share *share)
{
  json_object *node = json_find (nodes, "node-name", share->disk->node);
  json_object *bitmap = json_find (json_get_array (node, "dirty-bitmaps"),
                                   "name", share->since->bitmap);
  json_object *count;

  return json_object_object_get_ex (bitmap, "count", &count)
         ? json_get_u64 (bitmap, "count") : CLIENT_ANY;
}

/* The bitmap is exported with a disk of zeros: nobody must be asked for
 * permissions on its own node, which a FUSE export, for one, does not give. */
static int
export_bitmap (const struct backup *backup, const struct share *share,
               struct failure *why)
{
  const struct backup_disk *disk = share->disk;
  int r = qmp_node_add_null (backup->vm.qmp, disk->null_node, disk->size, why);

  return r < 0 ? r
         : qmp_export_add (backup->vm.qmp, disk->import_id, disk->null_node,
                           share->name, disk->node, share->since->bitmap, why);
}

/* So much at the end of the disk QEMU did not tell. */
static void
say_untold (const struct share *share, uint64_t untold)
{
  uint64_t size = share->disk->size;

  if (untold > 0)
    log_disk_warning (share->disk->name, "disk %s: all behind its first %"
                      PRIu64 " MiB (of %" PRIu64 ") counts as changed since "
                      "%s, as QEMU did not tell more in time",
                      share->disk->name, (size - untold) >> 20, size >> 20,
                      share->since->checkpoint);
}

/* Reads what is exported: N BITMAPS, which are of SHARES.  WHAT: for people. */
static int
read_exports (struct backup *backup, struct client_bitmap *bitmaps,
              const struct share *const *shares, size_t n, const char *what,
              struct failure *why)
{
  const struct client_address address = {
    .socket = backup->serving.qemu_socket
  };
  struct failure reason = { .error = 0 };
  int r = client_import (&address, bitmaps, n, IMPORT_TIMEOUT_MS,
                                &reason);

  if (r < 0)
    return failure_set (why, reason.class, -r, "%s of %s cannot be read: %s",
                        what, backup->options.domain, reason.text);
  for (size_t i = 0; i < n; i++)
    say_untold (shares[i], bitmaps[i].untold);
  return backup_import_undo (backup, why);
}

/* The SHARES that have something to tell. */
static int
read_bitmaps (struct backup *backup, const GPtrArray *shares,
              struct failure *why)
{
  const struct share *const *share = (const struct share *const *) shares->pdata;
  g_autofree struct client_bitmap *bitmaps =
    g_new0 (struct client_bitmap, shares->len);
  struct failure reason = { .error = 0 };

  for (guint i = 0; i < shares->len; i++) {
    int r = export_bitmap (backup, share[i], &reason);

    if (r < 0)
      return import_failed (share[i], r, &reason, why);
    bitmaps[i] = (struct client_bitmap) {
      .export_name = share[i]->name, .context = share[i]->context,
      .map = share[i]->map, .dirty = share[i]->dirty, .least = GRANULE_DEFAULT
    };
  }
  return read_exports (backup, bitmaps, share, shares->len, "the changes",
                       why);
}

static int
export_depth (const struct backup *backup, const struct share *share,
              struct failure *why)
{
  const struct backup_disk *disk = share->disk;

  return qmp_export_add_depth (backup->vm.qmp, disk->import_id, disk->node,
                               share->name, why);
}

static uint32_t
allocated_least (const struct backup_disk *disk)
{
  uint64_t least = disk->allocated_least;

  return least == 0 ? ALLOCATED_LEAST : (uint32_t) MIN (least, GRANULE_DEFAULT);
}

/* WHY: for people. */
static int
cover_all (const struct share *share, const char *why)
{
  log_disk_warning (share->disk->name, "disk %s: all of it counts as changed "
                    "since %s, as QEMU cannot be asked what is in its "
                    "overlay: %s", share->disk->name, share->since->checkpoint,
                    why);
  return granule_map_set (share->map, 0, share->disk->size);
}

#define MOVED "its images were moved, or a job was begun, meanwhile"

/* Images are told by how deep they are, so that none may come or go, be it a filter, from
 * before the question until it is answered (rule C11). */
static bool
is_as_planned (json_object *graph, const struct share *share)
{
  return qmp_graph_is_chain (graph,
                             (const char *const *) share->since->images);
}

/* What came and went meanwhile is of a job that was made since there were JOBS_MADE. */
static int
cover_moved (const struct backup *backup, const struct share *const *shares,
             size_t n, size_t jobs_made, struct failure *why)
{
  CLEANUP_JSON json_object *graph = NULL;
  struct failure reason = { .class = FAILURE_STORAGE };
  int r = qmp_graph_load (backup->vm.qmp, &graph, why);

  for (size_t i = 0; r == 0 && i < n; i++) {
    if (qmp_jobs_made (backup->vm.qmp) == jobs_made &&
        is_as_planned (graph, shares[i]))
      continue;
    r = cover_all (shares[i], MOVED);
    g_strlcpy (reason.text, g_strerror (-r), sizeof reason.text);
    if (r < 0)
      r = import_failed (shares[i], r, &reason, why);
  }
  return r;
}

static struct client_bitmap
depth_of (const struct share *share)
{
  return (struct client_bitmap) {
    .export_name = share->name, .context = CLIENT_DEPTH,
    .depth = share->since->layer, .map = share->map,
    .dirty = CLIENT_ANY, .least = allocated_least (share->disk)
  };
}

/* Exports what is to be asked: *N of SHARES, into ASKED and BITMAPS. */
static int
export_depths (struct backup *backup, GArray *shares, json_object *graph,
               const struct share **asked,
               struct client_bitmap *bitmaps, size_t *n,
               struct failure *why)
{
  struct failure reason = { .error = 0 };

  for (guint i = 0; i < shares->len; i++) {
    const struct share *share = &g_array_index (shares, struct share, i);
    int r;

    if (share->since->layer == 0 || (!is_as_planned (graph, share) &&
                                     cover_all (share, MOVED) == 0))
      continue;
    r = export_depth (backup, share, &reason);
    /* QEMU does not export the node itself, as where a FUSE export may resize it. */
    if (r == -EREMOTEIO && cover_all (share, reason.text) == 0)
      continue;
    if (r < 0)
      return import_failed (share, r, &reason, why);
    asked[*n] = share;
    bitmaps[(*n)++] = depth_of (share);
  }
  return 0;
}

static bool
have_overlays (const GArray *shares)
{
  for (guint i = 0; i < shares->len; i++)
    if (g_array_index (shares, struct share, i).since->layer > 0)
      return true;
  return false;
}

/* What is allocated above the images that the ranges of SHARES are of: all that was
 * written since those were covered (rule C11). */
static int
read_allocated (struct backup *backup, GArray *shares, struct failure *why)
{
  g_autofree struct client_bitmap *bitmaps =
    g_new0 (struct client_bitmap, shares->len);
  g_autofree const struct share **asked =
    g_new0 (const struct share *, shares->len);
  size_t jobs_made = qmp_jobs_made (backup->vm.qmp);
  CLEANUP_JSON json_object *graph = NULL;
  size_t n = 0;
  int r = have_overlays (shares)
          ? qmp_graph_load (backup->vm.qmp, &graph, why) : 0;

  if (r == 0)
    r = export_depths (backup, shares, graph, asked, bitmaps, &n, why);
  if (r < 0 || n == 0)
    return r;
  r = read_exports (backup, bitmaps, asked, n, "what is allocated in the "
                    "images", why);
  return r == 0 ? cover_moved (backup, asked, n, jobs_made, why) : r;
}

static int
import_shares (struct backup *backup, GArray *shares, json_object *nodes,
               struct failure *why)
{
  g_autoptr (GPtrArray) dirty = g_ptr_array_new ();
  int r = 0;

  for (guint i = 0; r == 0 && i < shares->len; i++) {
    struct share *share = &g_array_index (shares, struct share, i);

    r = create_map (backup, share, why);
    share->dirty = dirty_bytes (nodes, share);
    if (share->dirty != 0)
      g_ptr_array_add (dirty, share);
  }
  if (r == 0 && dirty->len > 0)
    r = read_bitmaps (backup, dirty, why);
  if (r == 0)
    r = read_allocated (backup, shares, why);
  for (guint i = 0; r == 0 && i < shares->len; i++)
    r = complete_map (&g_array_index (shares, struct share, i), why);
  return r;
}

/* Range number INDEX of every disk that has so many. */
static int
import_round (struct backup *backup, guint index, json_object *nodes,
              struct failure *why)
{
  g_autoptr (GArray) shares = g_array_new (FALSE, TRUE, sizeof (struct share));
  struct backup_disk *disk;

  g_array_set_clear_func (shares, share_clear);
  FOR_EACH_DISK (backup, disk)
    if (index < disk->since->len) {
      struct backup_since *since = g_ptr_array_index (disk->since, index);
      struct share share = {
        .disk = disk, .since = since,
        .name = g_strdup_printf ("%s@import", disk->name),
        .context = g_strconcat (CONTEXT_DIRTY_PREFIX, since->bitmap, NULL)
      };

      g_array_append_val (shares, share);
    }
  return import_shares (backup, shares, nodes, why);
}

static guint
count_rounds (const struct backup *backup)
{
  struct backup_disk *disk;
  guint n = 0;

  FOR_EACH_DISK (backup, disk)
    n = MAX (n, disk->since->len);
  return n;
}

int
backup_import (void *context, struct failure *why)
{
  struct backup *backup = context;
  CLEANUP_JSON json_object *nodes = NULL;
  guint n = count_rounds (backup);
  int r = n == 0 ? 0 : qmp_node_list (backup->vm.qmp, &nodes, why);

  for (guint i = 0; r == 0 && i < n; i++)
    r = import_round (backup, i, nodes, why);
  return r;
}

int
backup_import_undo (void *context, struct failure *why)
{
  struct backup *backup = context;
  g_autoptr (GPtrArray) exports = g_ptr_array_new ();
  g_autoptr (GPtrArray) nodes = g_ptr_array_new ();
  struct backup_disk *disk;

  FOR_EACH_DISK (backup, disk) {
    g_ptr_array_add (exports, disk->import_id);
    g_ptr_array_add (nodes, disk->null_node);
  }
  return backup->vm.qmp == NULL ? 0
         : backup_qemu_remove (backup, exports, nodes, why);
}
