/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The programs a backup runs (sink, view, gateway): started on a listening
 * socket that the daemon holds, watched, and started again when they die.
 *
 * Because the daemon holds the listening socket, a peer that connects while a
 * child is being restarted waits in the backlog and is not refused.
 *
 * Threads: one watcher thread for all children of the daemon; the calls may
 * come from any thread. */
#ifndef PULLBACK_CHILD_H
#define PULLBACK_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "failure.h"

struct child;

/* Starts the watcher.  Once, from main, before any child_start. */
int child_watcher_start (void) WARN_UNUSED;
void child_watcher_stop (void);

/* A listening unix socket at PATH, mode 0600 and owned by UID/GID when we are
 * root; an old socket file is replaced. */
int child_listen_unix (const char *path, uid_t uid, gid_t gid, int *fd, struct failure *why) WARN_UNUSED;
/* "[ADDRESS:]PORT", default loopback.  Sentence for a port in use. */
int child_listen_tcp (const char *where, int *fd, struct failure *why) WARN_UNUSED;

/* Runs ARGV (copied) with LISTEN_FD (the child's descriptor 3, LISTEN_FDS=1;
 * ownership moves here).  ROLE is for messages ("sink").  Restarted without
 * delay when it dies; a child that dies more than 20 times in a minute is given
 * up and child_failed says so. */
int child_start (const char *role, char *const argv[], int listen_fd,
                 struct child **child, struct failure *why) WARN_UNUSED;

/* SIGTERM, wait up to 5 s, SIGKILL, wait up to 1 s; closes the listening socket.
 * One that hangs in the kernel even then is left to end when it can. */
void child_stop (struct child *child);

pid_t child_pid (struct child *child);
unsigned child_restarts (struct child *child);
int64_t child_started_ms (struct child *child);  /* of now_ms (), the last start */
bool child_failed (struct child *child);

/* Ends every process of our user that has ARGUMENT as one whole argument of its
 * command line: how leftovers of a daemon that died are found (the folders in the
 * arguments are this domain's alone).  SIGKILL; returns when they are gone or
 * after 5 s. */
void child_kill_by_argument (const char *argument);

#endif
