/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks whose guest device is unplugged while they are in a backup.  The job keeps
 * the disk's node, so that the backup goes on and what it shows stays right; and so that
 * whoever unplugged the disk could not remove the node, which has the image's lock. */
#ifndef PULLBACK_BACKUP_UNPLUG_H
#define PULLBACK_BACKUP_UNPLUG_H

#include "backup-model.h"

/* Of DEVICE_DELETED: says so in the log and the backup's notes. */
void backup_unplug_event (struct backup *backup, json_object *data);

/* Removes the nodes of such disks, and those below them, that nobody else uses.
 * After the jobs have ended. */
void backup_unplug_release (struct backup *backup);

#endif
