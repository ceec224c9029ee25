/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fleece stores of a backup; their steps are in backup-steps.h. */
#ifndef PULLBACK_BACKUP_STORES_H
#define PULLBACK_BACKUP_STORES_H

#include "backup-model.h"

/* Opens them to see, and set, "broken", with the maps of what is dirty: of a backup that
 * another daemon began. */
int backup_stores_watch (struct backup *backup, struct failure *why) WARN_UNUSED;

/* 0: they are there, for a sink. */
int backup_stores_find (const struct backup *backup, struct failure *why) WARN_UNUSED;

#endif
