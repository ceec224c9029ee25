/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Is all well with a backup that is READY?  See also backup_tick. */
#ifndef PULLBACK_BACKUP_WATCH_H
#define PULLBACK_BACKUP_WATCH_H

#include "backup-model.h"

/* At stores and children, without QMP.  What is not well makes the backup broken. */
enum backup_state backup_watch_look (struct backup *backup);

/* The last look before a pull counts as good: were all guest writes held up to now, and
 * are the images the ones that were read?  A job that somebody cancelled lets writes pass;
 * blockdev-reopen changes images.  0 also where the backup is broken now. */
int backup_watch_check (struct backup *backup, struct failure *why) WARN_UNUSED;

#endif
