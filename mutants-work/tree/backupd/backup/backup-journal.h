/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal: what another daemon needs to undo a backup, and all that it is once it is
 * READY, in one file, written before the first step acts. */
#ifndef PULLBACK_BACKUP_JOURNAL_H
#define PULLBACK_BACKUP_JOURNAL_H

#include "backup-model.h"

int backup_journal_write (const struct backup *backup, struct failure *why) WARN_UNUSED;

/* The same, where BACKUP is in another PHASE than it was: from here on that is what the next
 * daemon finds. */
int backup_journal_write_phase (struct backup *backup, enum backup_phase phase, struct failure *why) WARN_UNUSED;
int backup_journal_remove (const struct backup *backup, struct failure *why) WARN_UNUSED;

/* Rebuilds a backup from PATHS->journal, enough to undo it, with the folders that it
 * was begun with; all of it (backup-record.h) where backup->whole.  *BACKUP is NULL when
 * there is no journal. */
int backup_journal_read (const struct backup_paths *paths, struct backup **backup, struct failure *why) WARN_UNUSED;

#endif
