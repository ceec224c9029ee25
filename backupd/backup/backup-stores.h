/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fleece stores of a backup; their steps are in backup-steps.h. */
#ifndef PULLBACK_BACKUP_STORES_H
#define PULLBACK_BACKUP_STORES_H

#include "backup-model.h"

/* Opens them to see, and set, "broken", with the maps of what is dirty: of a backup that
 * another daemon began. */
int backup_stores_watch (struct backup *backup, struct failure *why) WARN_UNUSED;

/* Marks all that are open broken, those that are not yet. */
void backup_stores_break (const struct backup *backup);

/* 0: a sink finds its maps.  Does not look at the storage. */
int backup_stores_find (const struct backup *backup, struct failure *why) WARN_UNUSED;

/* 0: can be opened, all of them.  Waits where their storage hangs. */
int backup_stores_look (const struct backup *backup) WARN_UNUSED;

/* Makes all of them anew, broken, where some are lost (rule B5): nobody may use the old
 * ones but a sink. */
int backup_stores_renew (struct backup *backup, struct failure *why) WARN_UNUSED;

#endif
