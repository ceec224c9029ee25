/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A process of a restore: started, or taken over.  Threads: as the restore's steps. */
#ifndef PULLBACK_RESTORE_PROCESS_H
#define PULLBACK_RESTORE_PROCESS_H

#include "restore-model.h"

/* Starts a process of SPEC, whose record is named after its role, and notes which images' descriptors
 * it has; or takes over the one that has MARK as an argument. */
int restore_process_run (struct restore *restore, struct process_child_spec spec, const char *mark,
                         struct process_child **child, struct failure *why) WARN_UNUSED;

#endif
