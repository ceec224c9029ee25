/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting and stopping sink, view and gateway of a backup. */
#ifndef PULLBACK_BACKUP_PROCESSES_H
#define PULLBACK_BACKUP_PROCESSES_H

#include "backup-plan.h"

int backup_start_sink (void *context, struct failure *why) WARN_UNUSED;
int backup_stop_sink (void *context, struct failure *why);

/* Sees to it that the sink answers, with a new process if need be, and that QEMU is
 * connected to it.  To be called before QEMU's jobs are ended: QEMU 7.2 fails a
 * guest write that is on its way to a sink that is not connected, and hangs on one
 * that does not reply.  Blocks for at most 20 s after a restart of the sink. */
void backup_ensure_sink (struct backup *backup);

int backup_start_view (void *context, struct failure *why) WARN_UNUSED;
int backup_stop_view (void *context, struct failure *why);
int backup_start_gateway (void *context, struct failure *why) WARN_UNUSED;
int backup_stop_gateway (void *context, struct failure *why);

/* The NBD URI of EXPORT.  Free with g_free. */
char *backup_uri (const struct backup *backup, const char *export_name);

/* Is QEMU connected to the sink?  Then it lives, whatever its monitor says. */
bool backup_sink_is_used (const struct backup *backup);

#endif
