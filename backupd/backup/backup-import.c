/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bitmaps of QEMU become dirty maps that the view can read: each is exported
 * for a moment and read by our own NBD client. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "backup-client.h"
#include "backup-qemu.h"
#include "backup-steps.h"
#include "name.h"
#include "fleece-files.h"
#include "fleece-store.h"
#include "qmp-export.h"
#include "qmp-node.h"

#define IMPORT_TIMEOUT_MS 120000

/* The bitmap is exported with a disk of zeros: nobody must be asked for
 * permissions on its own node, which a FUSE export, for one, does not give. */
static int
import_into (struct backup *backup, struct backup_disk *disk,
             struct backup_since *since, struct granule_map *map,
             struct failure *why)
{
  const struct backup_client_address address = {
    .socket = backup->serving.qemu_socket
  };
  g_autofree char *name = g_strdup_printf ("%s@import", disk->name);
  g_autofree char *context = g_strconcat (CONTEXT_DIRTY_PREFIX, since->bitmap,
                                          NULL);
  int r = qmp_node_add_null (backup->vm.qmp, disk->null_node, disk->size, why);

  if (r == 0)
    r = qmp_export_add (backup->vm.qmp, disk->import_id, disk->null_node,
                        name, disk->node, since->bitmap, why);
  if (r == 0)
    r = backup_client_import (&address, name, context, map, IMPORT_TIMEOUT_MS,
                              why);
  /* What the disk has grown by is not in the older backup. */
  if (r == 0 && since->oldest_size < disk->size)
    r = granule_map_set (map, since->oldest_size,
                         disk->size - since->oldest_size);
  if (r < 0)
    return failure_set (why, FAILURE_GENERIC, -r, "the changes of disk %s "
                        "since %s cannot be imported: %s", disk->name,
                        since->checkpoint, g_strerror (-r));
  since->dirty_bytes = granule_map_count_bytes (map);
  return backup_import_undo (backup, why);
}

static int
import_since (struct backup *backup, struct backup_disk *disk,
             struct backup_since *since, struct failure *why)
{
  struct granule_map *map = NULL;
  char path[4096];
  int r = fleece_dirty_path (backup->paths.maps_folder, disk->name,
                             since->label, path, sizeof path);

  if (r == 0)
    r = granule_map_create (path, disk->size, GRANULE_DEFAULT);
  if (r == 0)
    r = fleece_store_open_dirty (disk->store, path, &map);
  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r, "the dirty map of disk %s "
                        "since %s cannot be created in the maps folder %s: %s",
                        disk->name, since->checkpoint,
                        backup->paths.maps_folder, g_strerror (-r));
  return import_into (backup, disk, since, map, why);
}

int
backup_import (void *context, struct failure *why)
{
  struct backup *backup = context;
  struct backup_disk *disk;
  struct backup_since *since;
  int r = 0;

  FOR_EACH_DISK (backup, disk)
    FOR_EACH_SINCE (disk, since)
      if (r == 0)
        r = import_since (backup, disk, since, why);
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
