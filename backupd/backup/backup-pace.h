/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A backup's part in pacing: the pace files that its sink and view are given, and,
 * while a client pulls, how its guest fares.  Nothing here waits for QEMU.
 * docs/pacing.md tells of the whole. */
#ifndef PULLBACK_BACKUP_PACE_H
#define PULLBACK_BACKUP_PACE_H

#include "backup-model.h"

/* Notes which device LIVE, which DISK is, lies on. */
void backup_pace_plan (const struct backup *backup, struct backup_disk *disk,
                       const struct qmp_disk *live);

/* Can what was asked for be kept to? */
int backup_pace_check (const struct backup *backup, struct failure *why) WARN_UNUSED;

/* Frees what the step has made but for files; NULL is nothing. */
void backup_pace_destroy (struct backup_pace *pace);

/* Does its guest come first? */
bool backup_pace_is_on (const struct backup *backup);

/* Adds the parameters of a process: of all, and of a disk behind its disk=. */
void backup_pace_tell_limits (const struct backup *backup, GPtrArray *arguments);
void backup_pace_tell_device (const struct backup *backup, const struct backup_disk *disk,
                              GPtrArray *arguments);

/* There is another session with QEMU: what the old one was asked it does not
 * answer, and need not be waited for. */
void backup_pace_forget_question (struct backup *backup);

/* "pace" of backup_info. */
void backup_pace_info (const struct backup *backup, json_object *info);

#endif
