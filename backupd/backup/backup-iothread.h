/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* May QEMU's NBD server be asked about a disk?  Some QEMUs do not survive that where an iothread
 * serves it (qmp-export.h). */
#ifndef PULLBACK_BACKUP_IOTHREAD_H
#define PULLBACK_BACKUP_IOTHREAD_H

#include "backup-model.h"

/* 1: QEMU's server would not survive to export the disk LIVE; 0; or -errno. */
int backup_iothread_ask (const struct backup *backup, const struct qmp_disk *live,
                         struct failure *why) WARN_UNUSED;

/* The same, asked once for each disk that needs to know. */
int backup_iothread_kills_server (const struct backup *backup, struct backup_disk *disk,
                                  const struct qmp_disk *live) WARN_UNUSED;

#endif
