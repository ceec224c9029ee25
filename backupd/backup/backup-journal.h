/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal: what recovery needs to undo a backup, in one file, written
 * before the first step acts. */
#ifndef PULLBACK_BACKUP_JOURNAL_H
#define PULLBACK_BACKUP_JOURNAL_H

#include "backup-model.h"

int backup_journal_write (const struct backup *backup, struct failure *why) WARN_UNUSED;
int backup_journal_remove (const struct backup *backup, struct failure *why) WARN_UNUSED;

/* Rebuilds a backup from PATHS->journal, enough to undo it, with the folders that it
 * was begun with.  *BACKUP is NULL when there is no journal. */
int backup_journal_read (const struct backup_paths *paths, struct backup **backup, struct failure *why) WARN_UNUSED;

#endif
