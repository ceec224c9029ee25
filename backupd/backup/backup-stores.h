/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fleece stores of a backup.  Neither waits long for storage that hangs. */
#ifndef PULLBACK_BACKUP_STORES_H
#define PULLBACK_BACKUP_STORES_H

#include "backup-plan.h"

int backup_create_stores (void *context, struct failure *why) WARN_UNUSED;

/* 0: they are there, for a sink. */
int backup_find_stores (const struct backup *backup, struct failure *why) WARN_UNUSED;

/* Files that storage which hangs does not give up now are removed when it
 * goes on: that is success. */
int backup_remove_stores (void *context, struct failure *why);

#endif
