/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What changed on a disk since a checkpoint: which bitmaps tell, whether they can (rule
 * C1), and so whether a backup is full or incremental. */
#ifndef PULLBACK_BACKUP_SINCE_H
#define PULLBACK_BACKUP_SINCE_H

#include "backup-model.h"

void backup_since_free (gpointer since);

/* The export of SINCE at the view, "vda@dirty", and what clients call it.  Free with
 * g_free. */
char *backup_since_export (const struct backup_disk *disk, const struct backup_since *since);
char *backup_since_public (const struct backup_disk *disk, const struct backup_since *since);

/* Decides DISK's mode, reason, chain, previous and gap_before from the catalog
 * and LIVE.  With the option strict a full that was not asked for fails. */
int backup_since_plan (struct backup *backup, struct backup_disk *disk,
                       const struct qmp_disk *live, struct failure *why) WARN_UNUSED;

/* The bitmaps of a range. */
struct backup_range {
  GPtrArray *chain;             /* their names, oldest first; the caller's, empty at first */
  unsigned layer;               /* they are on the image so far below the active one; what is
                                 * allocated above it belongs to the range (rule C11) */
  const char *node;             /* of that image; NULL: the disk's; borrowed from what LIVE is */
  uint64_t oldest_size;         /* of the disk, when the range begins */
  bool covered, recording;      /* while it is looked for */
};

/* Why the range from SINCE to now cannot be answered for the disk LIVE, as QEMU has it;
 * NULL: it can, and RANGE is filled.  Of VM: qmp, catalog, boot_id, uuid. */
const char *backup_since_walk (const struct backup_vm *vm, const struct qmp_disk *live,
                               const struct checkpoint *since, struct backup_range *range);

#endif
