/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the sink counts and keeps to (scratch-figures.h), as the daemon sees it. */
#ifndef PULLBACK_BACKUP_SCRATCH_H
#define PULLBACK_BACKUP_SCRATCH_H

#include "backup-model.h"

/* Is there anything that the limits would let the sink store? */
int backup_scratch_check (const struct backup *backup, struct failure *why) WARN_UNUSED;

/* Before the sink; the scratch folder's storage has just answered. */
int backup_scratch_create (struct backup *backup, struct failure *why) WARN_UNUSED;

/* Opens what a daemon before this one has made.  To be called at ticks; once is enough. */
void backup_scratch_look (struct backup *backup);

/* For a sink that is started again: what is there but cannot be read is made anew.  It
 * keeps to the same limits; what was stored before counts where clients may give it
 * back (the maps know), else what is stored from now on. */
void backup_scratch_mend (struct backup *backup);

void backup_scratch_close (struct backup *backup);
void backup_scratch_remove (struct backup *backup);

/* Why the store of DISK is broken, which says ERROR: a word for programs, and a sentence.
 * Free with g_free. */
char *backup_scratch_reason (const struct backup *backup, const struct backup_disk *disk,
                             int error);

/* "scratch" of backup_info. */
void backup_scratch_info (const struct backup *backup, json_object *info);

#endif
