/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The chain of checkpoint bitmaps of a disk: full or incremental, and the
 * merge back (rules C1, C2). */
#ifndef PULLBACK_BACKUP_CHAIN_H
#define PULLBACK_BACKUP_CHAIN_H

#include "backup-plan.h"

/* Decides DISK's mode, reason, chain, previous and gap_before from the catalog
 * and LIVE.  With backup->strict a full that was not asked for fails. */
int backup_chain_plan (struct backup *backup, struct backup_disk *disk,
                       const struct qmp_disk *live, struct failure *why) WARN_UNUSED;

/* Drops every tentative checkpoint of CATALOG: its bitmap is merged into the one
 * before it, which records again, and its entry is removed.  Finds a disk by its
 * name among N NAMED nodes and QEMU's own list.  Idempotent. */
int backup_chain_settle (struct qmp *qmp, struct catalog *catalog,
                         const struct backup_disk_choice *named, size_t n,
                         struct failure *why) WARN_UNUSED;

/* One disk's share of a merge back, given its node as it is now: the actions
 * are added to T. */
void backup_chain_merge_back (struct qmp_transaction *t, const struct qmp_disk *live,
                              const char *bitmap, const char *previous);

#endif
