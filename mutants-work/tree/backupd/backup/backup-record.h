/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All that a backup is once it is READY, as members of the journal: for the daemon that
 * takes it over.  What a begin was asked for is there as a whole, so that a new option of
 * backup-begin needs nothing here. */
#ifndef PULLBACK_BACKUP_RECORD_H
#define PULLBACK_BACKUP_RECORD_H

#include "backup-model.h"

/* Adds them to JOURNAL, and what DISK is to its OBJECT in there. */
void backup_record_write (const struct backup *backup, json_object *journal);
void backup_record_write_disk (const struct backup_disk *disk, json_object *object);

/* Sets all of that in BACKUP, whose disks are those of JOURNAL, in its order.  Strings are
 * borrowed from JOURNAL.  False, with BACKUP good for an undo: it is not all there, as in
 * the journal of an older version. */
bool backup_record_read (struct backup *backup, json_object *journal);

#endif
