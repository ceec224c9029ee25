/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Processes that a daemon that died has left.  Threads: any. */
#ifndef PULLBACK_PROCESS_LEFTOVER_H
#define PULLBACK_PROCESS_LEFTOVER_H

#include <stdbool.h>
#include <sys/types.h>

/* Has PID this one whole argument? */
bool process_leftover_has_argument (pid_t pid, const char *argument);

/* Ends every process of our user that has ARGUMENT as one whole argument of its
 * command line: how leftovers of a daemon that died are found (the folders in the
 * arguments are this domain's alone).  SIGKILL; returns when they are gone or
 * after 5 s each. */
void process_leftover_kill (const char *argument);

/* The same of every process that has any of ARGUMENTS, which NULL ends. */
void process_leftover_kill_any (const char *const *arguments);

/* The same as the first of them, and says whether one is still there after WAIT_MS, as it hangs in
 * the kernel: its pid; 0: none is. */
pid_t process_leftover_end (const char *argument, int wait_ms);

#endif
