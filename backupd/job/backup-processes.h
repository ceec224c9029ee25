/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting and stopping sink, view and gateway of a backup. */
#ifndef PULLBACK_BACKUP_PROCESSES_H
#define PULLBACK_BACKUP_PROCESSES_H

#include "backup-plan.h"

int backup_start_sink (void *context, struct failure *why) WARN_UNUSED;
int backup_stop_sink (void *context, struct failure *why);
int backup_start_view (void *context, struct failure *why) WARN_UNUSED;
int backup_stop_view (void *context, struct failure *why);
int backup_start_gateway (void *context, struct failure *why) WARN_UNUSED;
int backup_stop_gateway (void *context, struct failure *why);

/* Opens every public export through the gateway (rule N3). */
int backup_check_exports (void *context, struct failure *why) WARN_UNUSED;

/* The NBD URI of EXPORT.  Free with g_free. */
char *backup_uri (const struct backup *backup, const char *export_name);

#endif
