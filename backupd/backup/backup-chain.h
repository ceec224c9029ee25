/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The chain of checkpoint bitmaps of a disk: full or incremental (rule C1). */
#ifndef PULLBACK_BACKUP_CHAIN_H
#define PULLBACK_BACKUP_CHAIN_H

#include "backup-plan.h"

/* Decides DISK's mode, reason, chain, previous and gap_before from the catalog
 * and LIVE.  With backup->strict a full that was not asked for fails. */
int backup_chain_plan (struct backup *backup, struct backup_disk *disk,
                       const struct qmp_disk *live, struct failure *why) WARN_UNUSED;

/* Why the range from BASE to now cannot be answered for DISK, as QEMU has it in LIVE;
 * NULL: it can, and CHAIN gets the names of the bitmaps, *OLDEST_SIZE the disk's size
 * then.  Of BACKUP: qmp, catalog, boot_id, domain_uuid. */
const char *backup_chain_walk (const struct backup *backup, const struct qmp_disk *live,
                               const char *disk, const struct checkpoint *base,
                               GPtrArray *chain, uint64_t *oldest_size);

/* checkpoint_settle, with N NAMED nodes. */
int backup_chain_settle (struct qmp *qmp, struct catalog *catalog,
                         const struct backup_disk_choice *named, size_t n,
                         struct failure *why) WARN_UNUSED;

#endif
