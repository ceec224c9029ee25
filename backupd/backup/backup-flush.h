/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What has to be in the images before they are read by others than QEMU (rule D1). */
#ifndef PULLBACK_BACKUP_FLUSH_H
#define PULLBACK_BACKUP_FLUSH_H

#include "backup-model.h"

/* Has the kernel write what of DISK's images is in its page cache, until a flush by QEMU takes but
 * a moment.  May take two minutes; -errno where even that is not enough. */
int backup_flush_prepare (const struct backup_disk *disk, struct failure *why) WARN_UNUSED;

#endif
