/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU says that a device is gone by its path or its id, and the disk's own
 * name for it may be a part below that. */
#include <config.h>

#include <string.h>

#include "backup-unplug.h"
#include "json-members.h"
#include "log.h"
#include "qmp-node.h"

/* PATH is the device's, QDEV may name a part of it. */
static bool
is_part_of (const char *qdev, const char *path)
{
  size_t length = path == NULL ? 0 : strlen (path);

  return length > 0 && strncmp (qdev, path, length) == 0 &&
         (qdev[length] == '\0' || qdev[length] == '/');
}

void
backup_unplug_event (struct backup *backup, json_object *data)
{
  const char *path = json_get_string (data, "path");
  const char *id = json_get_string (data, "device");
  struct backup_disk *disk;

  FOR_EACH_DISK (backup, disk)
    if (is_part_of (disk->qdev, path) || is_part_of (disk->qdev, id)) {
      g_autofree char *note =
        g_strdup_printf ("disk %s was unplugged: the backup shows it as it "
                         "was frozen, and its nodes in QEMU go when the "
                         "backup ends", disk->name);

      log_disk_info (disk->name, "%s: %s", backup->options.domain, note);
      json_object_array_add (backup->notes, json_object_new_string (note));
    }
}

static bool
is_unplugged (const struct backup_disk *disk, const struct qmp_disks *live)
{
  for (size_t i = 0; i < live->n; i++)
    if (strcmp (live->disks[i].qdev, disk->qdev) == 0)
      return false;
  return disk->qdev[0] != '\0';
}

void
backup_unplug_release (struct backup *backup)
{
  struct qmp_disks live = { 0 };
  struct backup_disk *disk;

  if (qmp_disks_query (backup->vm.qmp, &live, NULL) < 0)
    return;
  FOR_EACH_DISK (backup, disk) {
    struct failure why = { .error = 0 };

    if (!is_unplugged (disk, &live) ||
        qmp_node_exists (backup->vm.qmp, disk->node, NULL) <= 0)
      continue;
    if (qmp_node_remove_chain (backup->vm.qmp, disk->node, &why) < 0)
      log_disk_info (disk->name, "the node of the unplugged disk %s stays: %s",
                     disk->name, why.text);
    else
      log_disk_info (disk->name, "the nodes of the unplugged disk %s are "
                     "removed", disk->name);
  }
  qmp_disks_clear (&live);
}
