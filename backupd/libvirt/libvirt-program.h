/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting pullback-libvirt.  Threads: any; what a thread has started ends with it. */
#ifndef PULLBACK_LIBVIRT_PROGRAM_H
#define PULLBACK_LIBVIRT_PROGRAM_H

#include "failure.h"
#include "process.h"

/* For DOMAIN, a name or UUID of libvirt at URI, or NULL; MORE: another argument; NULL: it is for QMP, by
 * turns (libvirt-turn.h).  *FD: ours of the two ends of its standard input. */
int libvirt_program_start (const char *uri, const char *domain, const char *more,
                           struct process *process, int *fd, struct failure *why) WARN_UNUSED;

/* At once, whatever it waits for.  Also one that was never started. */
void libvirt_program_kill (struct process *process);

/* The same, where *FD is closed; but while it has a turn of URI's it is left to end by itself, when
 * libvirt has the answer that it waits for. */
void libvirt_program_end (const char *uri, struct process *process);

#endif
