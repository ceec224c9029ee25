/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps of a backup with their undos, as one table (backup-steps.c), and those of them
 * that have a file of their own: all as steps.h says, CONTEXT is the struct backup. */
#ifndef PULLBACK_BACKUP_STEPS_H
#define PULLBACK_BACKUP_STEPS_H

#include "backup-model.h"
#include "steps.h"

extern const struct step backup_steps[];
extern const size_t n_backup_steps;

/* Of a backup that is taken over (backup-adopt.c). */
extern const struct step backup_adopt_steps[];
extern const size_t n_backup_adopt_steps;

/* The undos of the part that binds QEMU: cancels the jobs, settles the checkpoint, removes the
 * nodes.  For a broken backup, whose exports stay until the abort. */
int backup_steps_detach (struct backup *backup, struct failure *why) WARN_UNUSED;

/* To be called before any undo that talks to QEMU: while guest writes wait for a
 * dead sink, QEMU's main loop hangs in whatever drains a disk. */
void backup_steps_prepare_undo (struct backup *backup);

/* Pace files; the undo removes what is the backup's alone. */
int backup_pace_open (void *context, struct failure *why) WARN_UNUSED;
int backup_pace_close (void *context, struct failure *why);

/* Neither waits long for storage that hangs.  Files that it does not give up now are
 * removed when it goes on: that is success. */
int backup_stores_create (void *context, struct failure *why) WARN_UNUSED;
int backup_stores_remove (void *context, struct failure *why);

int backup_sink_start (void *context, struct failure *why) WARN_UNUSED;
int backup_sink_stop (void *context, struct failure *why);

/* Where migrations are to be refused; and no more (backup-migration.c). */
int backup_migration_forbid (void *context, struct failure *why) WARN_UNUSED;
int backup_migration_allow (void *context, struct failure *why);

/* QEMU's NBD server, where it is needed (backup-server.c).  The undo does not wait for the
 * view, which may live: who asks it for data gets none. */
int backup_server_start (void *context, struct failure *why) WARN_UNUSED;
int backup_server_stop (void *context, struct failure *why);

/* Freezes the guest's file systems, and lets them go; the latter also where the freeze
 * failed, so that the guest need not wait for the undos.  It never fails: what it finds
 * out is in the backup's info. */
int backup_quiesce (void *context, struct failure *why) WARN_UNUSED;
int backup_quiesce_thaw (void *context, struct failure *why);

/* Also after a crash: pullback-quiesce may have been killed, too. */
int backup_quiesce_undo (void *context, struct failure *why);

/* The freeze, what the journal says of it before and after, and the end of the bitmaps that
 * recorded up to it. */
int backup_freeze_announce (void *context, struct failure *why) WARN_UNUSED;
int backup_freeze (void *context, struct failure *why) WARN_UNUSED;
int backup_freeze_done (void *context, struct failure *why) WARN_UNUSED;
int backup_freeze_stop_previous (void *context, struct failure *why) WARN_UNUSED;
/* Was what the guest uses frozen, and is it what will be read? */
int backup_freeze_look (void *context, struct failure *why) WARN_UNUSED;

/* Of the bases that QEMU exports. */
int backup_base_export (void *context, struct failure *why) WARN_UNUSED;
int backup_base_unexport (void *context, struct failure *why) WARN_UNUSED;

/* Of what QEMU holds back of the time before the freeze (backup-flush.c), and before it what
 * makes that short; it never fails. */
int backup_flush (void *context, struct failure *why) WARN_UNUSED;
int backup_flush_ahead (void *context, struct failure *why) WARN_UNUSED;

/* The frozen bitmaps of all disks and ranges (rule N2). */
int backup_import (void *context, struct failure *why) WARN_UNUSED;
int backup_import_undo (void *context, struct failure *why) WARN_UNUSED;

/* The view's descriptor of the first image, behind the standard streams and the socket (see
 * process-child.h). */
#define BACKUP_VIEW_FIRST_IMAGE 4u
/* These start no process while backup->adopting where the one of another daemon lives. */
int backup_view_start (void *context, struct failure *why) WARN_UNUSED;
int backup_view_stop (void *context, struct failure *why);
int backup_gateway_start (void *context, struct failure *why) WARN_UNUSED;
int backup_gateway_stop (void *context, struct failure *why);

/* Opens every public export through the gateway (rule N3). */
int backup_check (void *context, struct failure *why) WARN_UNUSED;

#endif
