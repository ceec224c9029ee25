/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes of the guest that QEMU cannot do (rule D8).  All are of the domain's thread.
 *
 * Events tell of them; of those that nobody heard QEMU's counts tell, but where it stops the
 * machine instead of telling the guest (werror=stop). */
#ifndef PULLBACK_BACKUP_WRITE_ERROR_H
#define PULLBACK_BACKUP_WRITE_ERROR_H

#include "backup-model.h"

/* While disks are planned: has any of DISK failed, ever since its device was made? */
bool backup_write_error_was (const struct backup *backup, const struct backup_disk *disk);

/* Before the freeze: notes that there were none.  FAILURE_STORAGE: there were, since that. */
int backup_write_error_begin (struct backup *backup, struct failure *why) WARN_UNUSED;

/* To be given each event of QEMU since the begin; DATA may be NULL.  Why the backup is not READY any
 * more (the caller's), or NULL. */
char *backup_write_error_event (const struct backup *backup, const char *event, json_object *data);

/* Where events may have been missed: were there any since the begin?  *REASON as above; -errno
 * where QEMU does not say. */
int backup_write_error_look (const struct backup *backup, char **reason) WARN_UNUSED;

#endif
