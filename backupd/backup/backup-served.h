/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What clients have of a backup: the maps that its gateway notes it in
 * (gateway-served.h), DISK.sent and DISK.confirmed in a folder of their own, and the
 * same of DISK@dirty.  In the domain's thread. */
#ifndef PULLBACK_BACKUP_SERVED_H
#define PULLBACK_BACKUP_SERVED_H

#include "backup-model.h"

/* Makes them anew, all clear. */
int backup_served_create (struct backup *backup, struct failure *why) WARN_UNUSED;
/* Those that cannot be read are made anew: a gateway would not start. */
void backup_served_mend (const struct backup *backup);
void backup_served_remove (struct backup *backup);

void backup_served_close (struct backup_served *served);

/* Adds "served", "confirmed" and "left" in bytes to INFO of DISK, counted at most once
 * a second, and their sums to PROGRESS.  Nothing where there are no maps. */
void backup_served_info (const struct backup *backup, struct backup_disk *disk,
                         json_object *info, json_object *progress);

#endif
