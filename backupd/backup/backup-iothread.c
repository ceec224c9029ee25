/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>

#include "backup-iothread.h"
#include "qmp-export.h"
#include "qmp-iothread.h"

int
backup_iothread_ask (const struct backup *backup, const struct qmp_disk *live,
                     struct failure *why)
{
  int r = backup->vm.iothreads;

  if (qmp_export_bears_iothreads (backup->vm.qmp))
    return 0;
  if (r < 0)
    r = qmp_iothread_any (backup->vm.qmp, why);
  return r <= 0 ? r : qmp_iothread_serves (backup->vm.qmp, live->qdev, why);
}

int
backup_iothread_kills_server (const struct backup *backup,
                              struct backup_disk *disk,
                              const struct qmp_disk *live)
{
  if (disk->kills_server == -EAGAIN)
    disk->kills_server = backup_iothread_ask (backup, live, NULL);
  return disk->kills_server;
}
