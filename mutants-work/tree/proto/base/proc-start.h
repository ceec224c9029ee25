/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which process a pid is.  The number may be anybody's by now, but not with the same
 * start time.  Threads: any. */
#ifndef PULLBACK_PROC_START_H
#define PULLBACK_PROC_START_H

#include <stdbool.h>
#include <sys/types.h>

#define PROC_START_SIZE 24

/* START: digits, of the clock of this boot.  False: there is no process PID, or it has
 * exited and is waited for. */
bool proc_start_time (pid_t pid, char start[PROC_START_SIZE]);

#endif
