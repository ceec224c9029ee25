/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <string.h>

#include "backup-chain.h"
#include "backup-write-error.h"
#include "json-members.h"

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
      return g_strdup_printf ("a write of the guest to disk %s failed in QEMU: "
                              "the tables in its image may not be those that "
                              "QEMU goes by", disk->name);
  return NULL;
}
