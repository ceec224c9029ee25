/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Jobs of QEMU that make, delete or load snapshots inside an image, from before the freeze on
 * (rule D7).  All are of the domain's thread. */
#ifndef PULLBACK_BACKUP_SNAPSHOT_H
#define PULLBACK_BACKUP_SNAPSHOT_H

#include "backup-model.h"

/* Before the freeze: notes which of them are over, and from where on events count.
 * -EBUSY where one runs. */
int backup_snapshot_begin (struct backup *backup, struct failure *why) WARN_UNUSED;

/* After that each event is to be given to it, in order; DATA may be NULL.  Why the backup is
 * not READY any more (the caller's), or NULL. */
char *backup_snapshot_event (struct backup *backup, const char *event, json_object *data);

/* Where events may have been missed: is one there that was not at the freeze?  *REASON as
 * above; -errno where QEMU does not say. */
int backup_snapshot_look (struct backup *backup, char **reason) WARN_UNUSED;

#endif
