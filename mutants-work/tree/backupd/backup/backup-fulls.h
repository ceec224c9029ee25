/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How often in a row a disk had a full backup though an incremental one was
 * asked for: STATE/DOMAIN/fulls.json.  Fulls that were asked for do not count
 * and change nothing. */
#ifndef PULLBACK_BACKUP_FULLS_H
#define PULLBACK_BACKUP_FULLS_H

#include "backup-model.h"

/* Fills consecutive_fulls of all planned disks, with this backup counted. */
void backup_fulls_read (struct backup *backup);

/* Removes what a crash in backup_fulls_write left. */
void backup_fulls_tidy (const struct backup *backup);

/* At the commit.  A counter that cannot be written is logged, no more. */
void backup_fulls_write (const struct backup *backup);

#endif
