/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting and stopping a program of a backup: sink, view, gateway. */
#ifndef PULLBACK_BACKUP_PROCESS_H
#define PULLBACK_BACKUP_PROCESS_H

#include "backup-model.h"

/* nbdkit with our plugin in ROLE, "sink" or "view"; what follows is the role's own.
 * Strings owned; unref it. */
GPtrArray *backup_process_nbdkit (const struct backup *backup, const char *role);

/* Its argument "fleece=FOLDER", by which leftovers are found.  Free with g_free. */
char *backup_process_fleece (const struct backup *backup);

/* SPEC with ARGUMENTS as its argv. */
int backup_process_start (struct process_child_spec spec, GPtrArray *arguments,
                          struct process_child **child, struct failure *why) WARN_UNUSED;

/* *CHILD (may be NULL) becomes NULL; SOCKET is removed. */
void backup_process_stop (struct process_child **child, const char *socket);

#endif
