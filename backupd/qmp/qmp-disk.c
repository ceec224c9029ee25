/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* query-block tells what the guest's devices see, query-named-block-nodes
 * what there is.  While a backup job runs, query-block shows the job's filter
 * (QEMU hides filters only if their name was not chosen by the job's maker),
 * without the disk's bitmaps and with the filter's own nameless ones. */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <glib.h>

#include "qmp-disk.h"
#include "qmp-graph.h"
#include "json-members.h"
#include "qmp-names.h"
#include "qmp-peer.h"
#include "qmp-survey.h"

#define LEVELS_MAX 32

/* All that is asked of QEMU for a list of disks. */
struct view {
  json_object *drives, *exports;
  struct qmp_survey *survey;
  json_object *nodes, *graph;   /* of that */
  char *boot_id;
  int migrated;                 /* what bitmaps_migrated says; -1: not asked yet */
};

static void
view_clear (struct view *view)
{
  json_object_put (view->drives);
  json_object_put (view->exports);
  qmp_survey_destroy (view->survey);
  g_free (view->boot_id);
}
#define CLEANUP_VIEW __attribute__ ((cleanup (view_clear)))

/* QEMU 10.1 lists a node's children. */
static const char *
listed_child (json_object *node)
{
  json_object *children = json_get_array (node, "children"), *child;
  size_t i, n = json_length (children);

  for (i = 0; i < n; i++) {
    child = json_object_array_get_idx (children, i);
    if (json_has_string (child, "child", "file")
        || json_has_string (child, "child", "backing"))
      return json_get_string (child, "node-name");
  }
  return NULL;
}

/* Neither graph nor children: the one other node with the filter's file and
 * size whose driver is a format.  NULL if that is not unique. */
static const char *
guessed_child (json_object *nodes, json_object *filter)
{
  json_object *node, *found = NULL;
  const char *file = json_get_string (filter, "file"), *driver;
  uint64_t size = json_get_u64 (json_get_object (filter, "image"),
                                "virtual-size");
  size_t i, n = json_length (nodes);

  for (i = 0; i < n && file != NULL; i++) {
    node = json_object_array_get_idx (nodes, i);
    driver = json_get_string (node, "drv");
    if (driver == NULL || qmp_graph_driver_is_filter (driver)
        || strcmp (driver, "file") == 0 || strcmp (driver, "host_device") == 0
        || !json_has_string (node, "file", file)
        || json_get_u64 (json_get_object (node, "image"), "virtual-size")
           != size)
      continue;
    if (found != NULL)
      return NULL;
    found = node;
  }
  return json_get_string (found, "node-name");
}

/* NODE with the filters of jobs looked through, the last of which is *FILTER (NULL: there
 * is none); NULL if that fails. */
static json_object *
skip_filters (const struct view *view, json_object *node, const char **filter)
{
  const char *driver, *name, *child;
  int level;

  *filter = NULL;
  for (level = 0; level < LEVELS_MAX; level++) {
    driver = json_get_string (node, "drv");
    if (driver == NULL || !qmp_graph_driver_is_filter (driver))
      return node;
    *filter = name = json_get_string (node, "node-name");
    child = listed_child (node);
    if (child == NULL && name != NULL)
      child = qmp_graph_filtered (view->graph, name);
    if (child == NULL)
      child = guessed_child (view->nodes, node);
    node = child == NULL ? NULL : json_find (view->nodes, "node-name",
                                                 child);
  }
  return NULL;
}

static char *
copy_string (json_object *object, const char *key)
{
  const char *text = json_get_string (object, key);

  return strdup (text == NULL ? "" : text);
}

/* Fills what the node tells; DEVICE is its query-block entry or NULL, FILTER a name or
 * NULL. */
static int
fill_disk (struct qmp_disk *disk, const char *name, json_object *device,
           json_object *node, const char *filter)
{
  disk->name = strdup (name);
  disk->device = copy_string (device, "device");
  disk->qdev = copy_string (device, "qdev");
  disk->node = copy_string (node, "node-name");
  disk->filter = strdup (filter == NULL ? "" : filter);
  disk->driver = copy_string (node, "drv");
  disk->filename = copy_string (node, "file");
  disk->size = json_get_u64 (json_get_object (node, "image"), "virtual-size");
  disk->empty = node == NULL;
  disk->read_only = json_get_bool (node, "ro");
  disk->can_persist_bitmaps = qmp_lower_can_persist (node);
  if (disk->name == NULL || disk->device == NULL || disk->qdev == NULL
      || disk->node == NULL || disk->filter == NULL || disk->driver == NULL
      || disk->filename == NULL)
    return -ENOMEM;
  return qmp_bitmaps_read (node, &disk->bitmaps, &disk->n_bitmaps);
}

/* "vda" of "/machine/peripheral/vda/virtio-backend"; "cd0" of "cd0"; "" of
 * a path to a device without id. */
static void
qdev_id (const char *qdev, char *id, size_t size)
{
  static const char prefix[] = "/machine/peripheral/";
  size_t length;

  if (strncmp (qdev, prefix, sizeof prefix - 1) == 0)
    qdev += sizeof prefix - 1;
  length = qdev[0] == '/' ? 0 : strcspn (qdev, "/");
  if (length >= size)
    length = 0;
  memcpy (id, qdev, length);
  id[length] = '\0';
}

static const char *
disk_name (json_object *device, json_object *node, char *id, size_t size)
{
  const char *qdev = json_get_string (device, "qdev");
  const char *backend = json_get_string (device, "device");
  const char *name = json_get_string (node, "node-name");

  qdev_id (qdev == NULL ? "" : qdev, id, size);
  if (id[0] != '\0')
    return id;
  if (name != NULL && name[0] != '#' && name[0] != '\0')
    return name;
  if (backend != NULL && backend[0] != '\0')
    return backend;
  return name == NULL ? "" : name;
}

static struct qmp_disk *
next_disk (struct qmp_disks *disks)
{
  struct qmp_disk *grown;

  grown = reallocarray (disks->disks, disks->n + 1, sizeof *grown);
  if (grown == NULL)
    return NULL;
  disks->disks = grown;
  memset (&grown[disks->n], 0, sizeof *grown);
  return &grown[disks->n++];
}

static int
add_drive (const struct view *view, json_object *drive,
           struct qmp_disks *disks, struct failure *why)
{
  json_object *shown = json_get_object (drive, "inserted"), *node;
  const char *filter = NULL;
  struct qmp_disk *disk;
  char id[1024];
  int r;

  node = shown == NULL ? NULL : skip_filters (view, shown, &filter);
  if (shown != NULL && node == NULL)
    return failure_set (why, FAILURE_QMP, EPROTO, "cannot find the disk below "
                        "the job's filter %s; wait until that block job is "
                        "over", disk_name (NULL, shown, id, sizeof id));
  disk = next_disk (disks);
  r = disk == NULL ? -ENOMEM
      : fill_disk (disk, disk_name (drive, node, id, sizeof id), drive, node,
                   filter);
  return r == 0 ? 0 : failure_set (why, FAILURE_GENERIC, -r, "out of memory");
}

/* A drive that neither belongs to a guest device nor has a medium is nobody's:
 * QEMU's defaults leave such things. */
static bool
drive_counts (json_object *drive)
{
  const char *qdev = json_get_string (drive, "qdev");

  return (qdev != NULL && qdev[0] != '\0')
         || json_get_object (drive, "inserted") != NULL;
}

static bool
disks_have_node (const struct qmp_disks *disks, const char *node)
{
  size_t i;

  for (i = 0; i < disks->n; i++)
    if (strcmp (disks->disks[i].node, node) == 0)
      return true;
  return false;
}

/* qemu-storage-daemon has no guest devices, and nobody else's exports matter. */
static int
add_nodes (struct qmp *qmp, struct view *view, struct qmp_disks *disks,
           struct failure *why)
{
  json_object *node;
  const char *name, *filter;
  struct qmp_disk *disk;
  size_t i, n = json_length (view->nodes);
  int r = !qmp_has_command (qmp, "query-block-exports") ? 0
          : qmp_call (qmp, "query-block-exports", NULL, QMP_TIMEOUT_MS,
                      &view->exports, why);

  for (i = 0; r == 0 && i < n; i++) {
    node = json_object_array_get_idx (view->nodes, i);
    name = json_get_string (node, "node-name");
    if (name == NULL || !(json_find (view->exports, "node-name", name)
                          || (view->graph == NULL ? name[0] != '#'
                              : qmp_graph_is_root (view->graph, name))))
      continue;
    node = skip_filters (view, node, &filter);
    name = json_get_string (node, "node-name");
    if (name == NULL || qmp_name_is_ours (name)
        || disks_have_node (disks, name))
      continue;
    disk = next_disk (disks);
    r = disk == NULL ? -ENOMEM : fill_disk (disk, name, NULL, node, filter);
    if (r < 0)
      return failure_set (why, FAILURE_GENERIC, -r, "out of memory");
  }
  return r;
}

/* What is asked for one node as well as for all disks. */
static int
load_nodes (struct qmp *qmp, struct view *view, struct failure *why)
{
  uid_t uid;
  gid_t gid;
  pid_t pid = 0;
  int r;

  view->migrated = -1;
  view->boot_id = qmp_boot_id (qmp);
  if (qmp_peer (qmp, &uid, &gid, &pid) < 0)
    pid = 0;
  r = qmp_survey_create (qmp, pid, &view->survey, why);
  if (r == 0)
    view->nodes = qmp_survey_nodes (view->survey);
  return r;
}

static int
load_view (struct qmp *qmp, struct view *view, struct failure *why)
{
  int r = 0;

  if (qmp_has_command (qmp, "query-block"))
    r = qmp_call (qmp, "query-block", NULL, QMP_TIMEOUT_MS, &view->drives, why);
  if (r == 0)
    r = load_nodes (qmp, view, why);
  if (r == 0)
    r = qmp_survey_add_graph (view->survey, why);
  if (r == 0)
    view->graph = qmp_survey_graph (view->survey);
  return r;
}

/* Bitmaps that cannot persist came by migration; false when QEMU does not say. */
static bool
bitmaps_migrated (struct qmp *qmp)
{
  CLEANUP_JSON json_object *state = NULL, *capabilities = NULL;

  return qmp_call (qmp, "query-migrate", NULL, QMP_TIMEOUT_MS, &state,
                   NULL) == 0
         && json_has_string (state, "status", "completed")
         && qmp_call (qmp, "query-migrate-capabilities", NULL, QMP_TIMEOUT_MS,
                      &capabilities, NULL) == 0
         && json_get_bool (json_find (capabilities, "capability",
                                      "dirty-bitmaps"), "state");
}

/* What tells whose a disk's bitmaps are. */
static int
fill_origin (struct qmp *qmp, struct view *view, struct qmp_disk *disk,
             struct failure *why)
{
  bool may_migrate = false;

  for (size_t i = 0; i < disk->n_bitmaps; i++)
    may_migrate = may_migrate || !disk->bitmaps[i].persistent;
  disk->image = qmp_survey_image_text (view->survey, disk->filename);
  disk->boot_id = g_strdup (view->boot_id);
  if (may_migrate && view->migrated < 0)
    view->migrated = bitmaps_migrated (qmp);
  disk->bitmaps_migrated = may_migrate && view->migrated > 0;
  return qmp_lower_read (view->survey, disk->node, &disk->lower,
                         &disk->n_lower, &disk->lower_unseen) == 0 ? 0
         : failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
}

/* A process that is killed has no files any more a moment before its link is lost: its
 * images would then seem to be others.  An answer, whichever, says that it lives. */
static int
check_alive (struct qmp *qmp, const struct qmp_disk *disks, size_t n,
             struct failure *why)
{
  bool known = !qmp_is_lost (qmp);
  int r;

  for (size_t i = 0; i < n; i++)
    known = known && !g_str_has_suffix (disks[i].image, QMP_IMAGE_NOT_KNOWN);
  if (known)
    return 0;
  r = qmp_call (qmp, "query-version", NULL, QMP_TIMEOUT_MS, NULL, why);
  return r == -EREMOTEIO ? 0 : r;
}

int
qmp_disks_query (struct qmp *qmp, struct qmp_disks *disks, struct failure *why)
{
  CLEANUP_VIEW struct view view = { .drives = NULL };
  struct qmp_disks found = { 0 };
  json_object *drive;
  size_t i;
  int r;

  r = load_view (qmp, &view, why);
  for (i = 0; r == 0 && i < json_length (view.drives); i++) {
    drive = json_object_array_get_idx (view.drives, i);
    if (drive_counts (drive))
      r = add_drive (&view, drive, &found, why);
  }
  if (r == 0 && found.n == 0)
    r = add_nodes (qmp, &view, &found, why);
  for (i = 0; r == 0 && i < found.n; i++) {
    found.disks[i].in_use = true;
    r = fill_origin (qmp, &view, &found.disks[i], why);
  }
  if (r == 0)
    r = check_alive (qmp, found.disks, found.n, why);
  if (r < 0) {
    qmp_disks_clear (&found);
    return r;
  }
  found.survey = TAKE_PTR (view.survey);
  *disks = found;
  return 0;
}

int
qmp_disk_query (struct qmp *qmp, const char *node, const char *name,
                struct qmp_disk *disk, struct failure *why)
{
  CLEANUP_VIEW struct view view = { .drives = NULL };
  struct qmp_disk found;
  json_object *entry;
  int r = load_nodes (qmp, &view, why);

  if (r == 0)
    r = qmp_survey_add_graph (view.survey, why);
  if (r < 0)
    return r;
  entry = json_find (view.nodes, "node-name", node);
  if (entry == NULL)
    return failure_set (why, FAILURE_DISK_NOT_FOUND, ENOENT,
                        "QEMU has no block node '%s'", node);
  memset (&found, 0, sizeof found);
  r = fill_disk (&found, name, NULL, entry, NULL);
  if (r < 0) {
    qmp_disk_clear (&found);
    return failure_set (why, FAILURE_GENERIC, -r, "out of memory");
  }
  r = fill_origin (qmp, &view, &found, why);
  if (r == 0)
    r = check_alive (qmp, &found, 1, why);
  if (r < 0)
    qmp_disk_clear (&found);
  else
    *disk = found;
  return r;
}

void
qmp_disk_clear (struct qmp_disk *disk)
{
  qmp_bitmaps_free (disk->bitmaps, disk->n_bitmaps);
  qmp_lower_free (disk->lower, disk->n_lower);
  free (disk->name);
  free (disk->device);
  free (disk->qdev);
  free (disk->node);
  free (disk->driver);
  free (disk->filter);
  free (disk->filename);
  g_free (disk->image);
  g_free (disk->boot_id);
  memset (disk, 0, sizeof *disk);
}

void
qmp_disks_clear (struct qmp_disks *disks)
{
  size_t i;

  for (i = 0; i < disks->n; i++)
    qmp_disk_clear (&disks->disks[i]);
  free (disks->disks);
  qmp_survey_destroy (disks->survey);
  *disks = (struct qmp_disks) { 0 };
}

const struct qmp_bitmap *
qmp_disk_bitmap (const struct qmp_disk *disk, const char *name)
{
  return qmp_bitmaps_find (disk->bitmaps, disk->n_bitmaps, name);
}
