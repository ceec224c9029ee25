/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What has to be in the images before they are read by others than QEMU (rule D1). */
#ifndef PULLBACK_BACKUP_FLUSH_H
#define PULLBACK_BACKUP_FLUSH_H

#include "backup-model.h"

/* Has the kernel write what of DISK's images is in its page cache, until a flush by QEMU takes but
 * a moment; -errno where that is not so before DEADLINE (now_ms). */
int backup_flush_prepare (const struct backup *backup, const struct backup_disk *disk,
                          int64_t deadline, struct failure *why) WARN_UNUSED;

#endif
