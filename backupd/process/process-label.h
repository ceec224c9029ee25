/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SELinux: which label a process has, and sockets have.  Threads: any. */
#ifndef PULLBACK_PROCESS_LABEL_H
#define PULLBACK_PROCESS_LABEL_H

#include <sys/types.h>

/* That of process PID, for g_free; NULL: SELinux is off here, or does not tell. */
char *process_label_of (pid_t pid);

/* Sockets that the calling thread makes from now on have LABEL; NULL: nothing is done.  Where that
 * cannot be they have ours, and it is logged: should QEMU need its own, it is refused and
 * says so. */
void process_label_sockets (const char *label);

#endif
