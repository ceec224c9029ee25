/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much changed since a checkpoint, without a backup. */
#ifndef PULLBACK_BACKUP_SIZE_H
#define PULLBACK_BACKUP_SIZE_H

#include "catalog.h"
#include "qmp-disk.h"

/* Bytes of LIVE that changed since SINCE, by a bitmap that is there only for this
 * call.  Where the chain cannot tell: *REASON (see backup-since.h), which is NULL
 * else. */
int backup_size_since (struct qmp *qmp, struct catalog *catalog, const struct checkpoint *since,
                       const struct qmp_disk *live, const char **reason, uint64_t *bytes,
                       struct failure *why) WARN_UNUSED;

#endif
