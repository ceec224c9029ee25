/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of a backup, whatever became of its QEMU.  Private to backupd/backup; see also
 * backup.h. */
#ifndef PULLBACK_BACKUP_ENDING_H
#define PULLBACK_BACKUP_ENDING_H

#include "backup-model.h"

/* Undoes the first N steps and removes the journal.  Where QEMU is gone backup->qmp is
 * NULL afterwards.  Where it is mute nothing is undone; the journal stays on every
 * failure. */
int backup_undo (struct backup *backup, size_t n, struct failure *why) WARN_UNUSED;

/* It could not be undone: what QEMU may not have let go of must go on being served. */
void backup_keep (struct backup *backup, const char *reason);

/* Undoes all of it, frees *BACKUP and sets it to NULL; where QEMU does not let that
 * happen it is kept. */
int backup_end (struct backup **backup, struct failure *why) WARN_UNUSED;

#endif
