/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU tells of a failed write once, but counts it for good; so the event is for speed, and
 * the count for what nobody heard. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "backup-chain.h"
#include "backup-write-error.h"
#include "json-members.h"
#include "qmp-blockstats.h"

static char *
reason_for (const struct backup_disk *disk)
{
  return g_strdup_printf ("a write of the guest to disk %s failed in QEMU: "
                          "the tables in its image may not be those that "
                          "QEMU goes by", disk->name);
}

static bool
any_has_tables (const struct backup *backup)
{
  struct backup_disk *disk;

  FOR_EACH_DISK (backup, disk)
    if (backup_chain_has_tables (disk))
      return true;
  return false;
}

/* By ALL that QEMU has counted; NULL: it counts nothing. */
static bool
has_failures (json_object *all, const struct backup_disk *disk)
{
  struct qmp_blockstats stats;

  return all != NULL && qmp_blockstats_find (all, disk->qdev, &stats) &&
         stats.failed > 0;
}

bool
backup_write_error_was (const struct backup *backup,
                        const struct backup_disk *disk)
{
  return has_failures (backup->vm.blockstats, disk);
}

int
backup_write_error_begin (struct backup *backup, struct failure *why)
{
  CLEANUP_JSON json_object *all = NULL;
  struct backup_disk *disk;
  int r = 0;

  if (any_has_tables (backup))
    r = qmp_blockstats_list (backup->vm.qmp, &all, why);
  FOR_EACH_DISK (backup, disk) {
    if (r < 0 || !backup_chain_has_tables (disk))
      continue;
    disk->no_failures = !has_failures (all, disk);
    if (!disk->no_failures)
      r = failure_set (why, FAILURE_STORAGE, EIO, "a write of the guest to "
                       "disk %s failed in QEMU while the backup began: begin "
                       "it again", disk->name);
  }
  return r;
}

char *
backup_write_error_event (const struct backup *backup, const char *event,
                          json_object *data)
{
  struct backup_disk *disk;

  if (strcmp (event, "BLOCK_IO_ERROR") != 0 ||
      json_has_string (data, "operation", "read"))
    return NULL;
  FOR_EACH_DISK (backup, disk)
    if (backup_chain_has_tables (disk) &&
        (json_has_string (data, "node-name", disk->node) ||
         json_has_string (data, "node-name", disk->filter_node)))
      return reason_for (disk);
  return NULL;
}

int
backup_write_error_look (const struct backup *backup, char **reason)
{
  CLEANUP_JSON json_object *all = NULL;
  struct backup_disk *disk;
  int r = 0;

  *reason = NULL;
  if (any_has_tables (backup))
    r = qmp_blockstats_list (backup->vm.qmp, &all, NULL);
  FOR_EACH_DISK (backup, disk)
    if (*reason == NULL && disk->no_failures &&
        backup_chain_has_tables (disk) && has_failures (all, disk))
      *reason = reason_for (disk);
  return r;
}
