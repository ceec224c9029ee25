/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The choice of disks: which, how read, full or incremental and why. */
#ifndef PULLBACK_BACKUP_PLAN_H
#define PULLBACK_BACKUP_PLAN_H

#include "backup-model.h"

/* Fills disks and skipped from the options and what QEMU says. */
int backup_plan_disks (struct backup *backup, struct failure *why) WARN_UNUSED;

/* Fails with FAILURE_BUSY, and a sentence, if there is a block job on DISK.  GRAPH as for
 * qmp_job_of_device. */
int backup_plan_check_jobs (const struct backup *backup, json_object *graph,
                            const struct qmp_disk *disk, struct failure *why) WARN_UNUSED;

#endif
