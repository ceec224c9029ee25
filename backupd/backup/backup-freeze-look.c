/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between the plan and the freeze there are up to some 30 s, and nothing keeps others
 * from what they may do to the disks.  QEMU freezes what it is told to, also a
 * node that no guest uses any more. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "backup-base.h"
#include "backup-steps.h"
#include "qmp-disk.h"

/* Rule N6. */
static bool
is_frozen (const struct backup_disk *disk, const struct qmp_disks *now)
{
  for (size_t i = 0; i < now->n; i++)
    if (strcmp (now->disks[i].node, disk->node) == 0 &&
        strcmp (now->disks[i].qdev, disk->qdev) == 0 &&
        strcmp (now->disks[i].filter, disk->filter_node) == 0)
      return true;
  return false;
}

static int
look_at_disks (const struct backup *backup, const struct qmp_disks *now,
               struct failure *why)
{
  struct backup_disk *disk;

  FOR_EACH_DISK (backup, disk)
    if (disk->in_use && !is_frozen (disk, now))
      return failure_set (why, FAILURE_BUSY, EBUSY, "the disk %s got another "
                          "active layer while the backup began (a snapshot, "
                          "or a job that ended): begin it again", disk->name);
  return 0;
}

/* Another file would be read than what was frozen. */
static int
look_at_images (struct backup *backup, struct failure *why)
{
  g_autofree char *problem = NULL;
  int r = backup_base_look (backup, &problem, why);

  return r < 0 || problem == NULL ? r
         : failure_set (why, FAILURE_BUSY, EBUSY, "%s: begin it again",
                        problem);
}

int
backup_freeze_look (void *context, struct failure *why)
{
  struct backup *backup = context;
  struct qmp_disks now = { 0 };
  int r = qmp_disks_query (backup->vm.qmp, &now, why);

  if (r == 0)
    r = look_at_disks (backup, &now, why);
  qmp_disks_clear (&now);
  return r < 0 ? r : look_at_images (backup, why);
}
