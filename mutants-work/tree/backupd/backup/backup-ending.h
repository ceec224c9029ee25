/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of a backup, whatever became of its QEMU.  Private to backupd/backup; see also
 * backup.h. */
#ifndef PULLBACK_BACKUP_ENDING_H
#define PULLBACK_BACKUP_ENDING_H

#include "backup-model.h"

/* Undoes the first N steps and removes the journal.  Where QEMU is gone backup->vm.qmp
 * is NULL afterwards.  Where it is mute nothing is undone; the journal stays on every
 * failure. */
int backup_undo (struct backup *backup, size_t n, struct failure *why) WARN_UNUSED;

/* It could not be undone: what QEMU may not have let go of must go on being served. */
void backup_keep (struct backup *backup, const char *reason);

#endif
