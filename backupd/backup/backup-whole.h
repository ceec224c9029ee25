/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PULLBACK_BACKUP_WHOLE_H
#define PULLBACK_BACKUP_WHOLE_H

#include <stdbool.h>

#include "backup-model.h"
#include "qmp-disk.h"

/* Fails where an image of DISK, or one below it, is being restored or only half restored (rule
 * R3): what would be backed up is no disk of any moment. */
int backup_whole_check (const struct qmp_survey *survey, const struct qmp_disk *disk,
                        struct failure *why) WARN_UNUSED;

/* Was an image below DISK's own restored since CHECKPOINT was made, or its own, and the disk's bitmaps
 * may have come by migration after; or can that not be told?  No bitmap of the disk has seen
 * that (rule R11). */
bool backup_whole_was_restored (const struct backup *backup, const struct qmp_disk *disk,
                                const char *checkpoint);

#endif
