/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include "backup-client.h"
#include "backup-since.h"
#include "backup-steps.h"
#include "name.h"

static int
check_disk (const struct backup_disk *disk,
            const struct backup_client_address *address, struct failure *why)
{
  struct backup_since *since;
  int r = backup_client_check (address, disk->export_name, disk->size, NULL,
                               BACKUP_CLIENT_PATIENCE_MS, why);

  FOR_EACH_SINCE (disk, since) {
    g_autofree char *name = backup_since_public (disk, since);

    if (r == 0)
      r = backup_client_check (address, disk->export_name, disk->size,
                               since->context, BACKUP_CLIENT_PATIENCE_MS, why);
    if (r == 0)
      r = backup_client_check (address, name, disk->size, CONTEXT_ALLOCATION,
                               BACKUP_CLIENT_PATIENCE_MS, why);
  }
  return r;
}

int
backup_check (void *context, struct failure *why)
{
  struct backup *backup = context;
  const struct backup_client_address address = {
    .socket = backup->serving.host == NULL ? backup->paths.client_socket : NULL,
    .host = backup->serving.host, .port = backup->serving.port
  };
  struct backup_disk *disk;
  int r = 0;

  FOR_EACH_DISK (backup, disk)
    if (r == 0)
      r = check_disk (disk, &address, why);
  return r;
}
