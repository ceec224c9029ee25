/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A virtual machine that is migrated, or saved to a file, while it has a backup: QEMU
 * cannot give away an image that a job writes before.  --on-migrate says who yields. */
#ifndef PULLBACK_BACKUP_MIGRATION_H
#define PULLBACK_BACKUP_MIGRATION_H

#include "backup-model.h"

/* At the begin, before anything is done: is the option one, and can there be a backup?
 * FAILURE_BUSY while a migration runs. */
int backup_migration_check (struct backup *backup, struct failure *why) WARN_UNUSED;

/* Of the event MIGRATION, which QEMU sends where the capability "events" is on. */
void backup_migration_event (struct backup *backup);

/* For each tick: why the backup must yield now; NULL: it need not.  g_free.  Asks QEMU,
 * unless that has not answered of late. */
char *backup_migration_look (struct backup *backup);

#endif
