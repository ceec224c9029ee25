/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which process a child is, in a small file for whoever takes it over.  It is written
 * before a program is started, without a pid, and after: who reads it finds the child
 * whenever its parent died.  Threads: one per file. */
#ifndef PULLBACK_PROCESS_RECORD_H
#define PULLBACK_PROCESS_RECORD_H

#include "process.h"

/* PID 0: one may be being started just now.  RESTARTS: how often it was.  The file is for
 * the time that the host runs. */
int process_record_write (const char *path, pid_t pid, unsigned restarts) WARN_UNUSED;

/* The process that PATH tells of, if it lives and has all MARKS (NULL ends them) as whole
 * arguments of its command line; else any of our user that has.  PROCESS is the caller's.  -ESRCH: there is none.  *RESTARTS is
 * set in any case. */
int process_record_find (const char *path, const char *const *marks, struct process *process,
                         unsigned *restarts) WARN_UNUSED;

#endif
