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

/* To be called before any undo that talks to QEMU: while guest writes wait for a
 * dead sink, QEMU's main loop hangs in whatever drains a disk. */
void backup_prepare_undo (struct backup *backup);

/* Does any disk read through QEMU; is any incremental; is QEMU's NBD server
 * needed? */
bool backup_needs_nbd_server (const struct backup *backup);

#endif
