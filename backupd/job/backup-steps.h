/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps of a backup with their undos, as one table (backup-steps.c). */
#ifndef PULLBACK_BACKUP_STEPS_H
#define PULLBACK_BACKUP_STEPS_H

#include "backup-plan.h"
#include "steps.h"

extern const struct step backup_steps[];
extern const size_t n_backup_steps;

/* The part that binds QEMU: cancels the jobs, settles the checkpoint, removes the
 * nodes.  For a broken backup, whose exports stay until the abort. */
int backup_detach_from_qemu (struct backup *backup, struct failure *why) WARN_UNUSED;

/* Does any disk read through QEMU; is any incremental; is QEMU's NBD server
 * needed? */
bool backup_needs_nbd_server (const struct backup *backup);

#endif
