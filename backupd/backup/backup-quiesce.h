/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps around the freeze that make it one of quiet file systems. */
#ifndef PULLBACK_BACKUP_QUIESCE_H
#define PULLBACK_BACKUP_QUIESCE_H

#include "backup-plan.h"

int backup_quiesce (void *context, struct failure *why) WARN_UNUSED;

/* Also where the freeze failed, so that the guest need not wait for the undos.
 * Never fails: what it finds out is in the backup's info. */
int backup_thaw (void *context, struct failure *why);

/* Also after a crash: pullback-quiesce may have been killed, too. */
int backup_undo_quiesce (void *context, struct failure *why);

/* Adds "consistency", "consistency-reason" and "quiesced-ms". */
void backup_quiesce_info (const struct backup *backup, json_object *info);

#endif
