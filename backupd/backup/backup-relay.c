/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU's server exports the live node.  Where somebody else may resize it QEMU
 * refuses that, and a node is exported instead which reads through the job's own filter:
 * what is in the fleece store from there, the rest from the live node, while it holds
 * guest writes to what it reads.  Either is what rule V2 asks of a base. */
#include <config.h>

#include <errno.h>

#include "backup-steps.h"
#include "log.h"
#include "qmp-export.h"
#include "qmp-node.h"

static int
export_by_filter (const struct backup *backup, const struct backup_disk *disk,
                  const struct failure *refusal, struct failure *why)
{
  struct failure other = { .error = 0 };
  int r = qmp_node_add_access (backup->qmp, disk->access_node,
                               disk->filter_node, &other);

  if (r == 0)
    r = qmp_export_add (backup->qmp, disk->relay_id, disk->access_node,
                        disk->name, NULL, NULL, &other);
  if (r == 0)
    log_info ("disk %s is read through the job's filter: %s", disk->name,
              refusal->text);
  return r == 0 ? 0 :
    failure_set (why, other.class, -r, "the disk %s cannot be read through "
                 "QEMU (%s), nor by the job's filter (%s): leave it out, or "
                 "end what may resize it, such as a FUSE export", disk->name,
                 refusal->text, other.text);
}

static int
export_disk (const struct backup *backup, const struct backup_disk *disk,
             struct failure *why)
{
  struct failure refusal = { .error = 0 };
  int r = qmp_export_add (backup->qmp, disk->relay_id, disk->node, disk->name,
                          NULL, NULL, &refusal);

  if (r == -EREMOTEIO)
    return export_by_filter (backup, disk, &refusal, why);
  return r == 0 ? 0 : failure_set (why, refusal.class, -r, "%s", refusal.text);
}

int
backup_relay (void *context, struct failure *why)
{
  struct backup *backup = context;
  struct backup_disk *disk;
  int r = 0;

  FOR_EACH_DISK (backup, disk)
    if (r == 0 && disk->image == NULL)
      r = export_disk (backup, disk, why);
  return r;
}

static int
undo_disk (const struct backup *backup, const struct backup_disk *disk,
           struct failure *why)
{
  int r = qmp_export_remove (backup->qmp, disk->relay_id, QMP_TIMEOUT_MS, why);

  return r < 0 ? r : qmp_node_remove (backup->qmp, disk->access_node, why);
}

int
backup_relay_undo (void *context, struct failure *why)
{
  struct backup *backup = context;
  struct backup_disk *disk;
  int first = 0;

  FOR_EACH_DISK (backup, disk) {
    int r = backup->qmp == NULL ? 0 : undo_disk (backup, disk, why);

    first = first != 0 ? first : r;
  }
  return first;
}
