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

/* The argument of all its processes that no other backup's have.  Free with g_free. */
char *backup_process_mark (const struct backup *backup);

/* The file by which another daemon finds that of ROLE.  Free with g_free. */
char *backup_process_record (const struct backup *backup, const char *role);

/* What tells the process of ROLE from all others, for process-record.h; g_strfreev. */
char **backup_process_marks (const struct backup *backup, const char *role);

/* SPEC with ARGUMENTS as its argv; of a backup that is taken over the one that runs, if it
 * does. */
int backup_process_start (const struct backup *backup, struct process_child_spec spec,
                          GPtrArray *arguments, struct process_child **child,
                          struct failure *why) WARN_UNUSED;

/* *CHILD (may be NULL) becomes NULL; SOCKET is removed. */
void backup_process_stop (struct process_child **child, const char *socket);

#endif
