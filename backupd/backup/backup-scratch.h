/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the sink counts (scratch-figures.h), as the daemon sees it. */
#ifndef PULLBACK_BACKUP_SCRATCH_H
#define PULLBACK_BACKUP_SCRATCH_H

#include "backup-model.h"

/* Before the sink. */
int backup_scratch_create (struct backup *backup, struct failure *why) WARN_UNUSED;

/* Opens what a daemon before this one, or backup_scratch_create, has made.  To be
 * called at ticks; once is enough. */
void backup_scratch_look (struct backup *backup);

void backup_scratch_close (struct backup *backup);
void backup_scratch_remove (struct backup *backup);

/* "scratch" of backup_info. */
void backup_scratch_info (const struct backup *backup, json_object *info);

#endif
