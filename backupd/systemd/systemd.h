/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a daemon that systemd runs tells it: sd_notify(3), and which unit each child belongs
 * to.  Without libsystemd, or not run by systemd, all of it does nothing. */
#ifndef PULLBACK_SYSTEMD_H
#define PULLBACK_SYSTEMD_H

#include <stdbool.h>
#include <sys/types.h>

/* Each of these once, from main. */
void systemd_ready (void);
void systemd_stopping (void);

/* How often systemd wants to hear that we are alive, in ms; -1: never. */
int systemd_alive_ms (void);
void systemd_alive (void);

/* From now on systemd_scope does something.  The thread that talks to systemd is started,
 * so that nobody waits for it. */
void systemd_scopes_start (void);
void systemd_scopes_stop (void);

/* Child PID, which is the ROLE ("sink") of a backup, moves to a scope of its own, as a stop
 * or kill of our unit must not reach it.  Returns at once; what fails is logged.  Threads:
 * any. */
void systemd_scope (pid_t pid, const char *role);

#endif
