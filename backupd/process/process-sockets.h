/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel lists of unix sockets.  To connect and look would be seen by
 * whoever serves there: QEMU logs a client that comes and goes.  Threads: any. */
#ifndef PULLBACK_PROCESS_SOCKETS_H
#define PULLBACK_PROCESS_SOCKETS_H

#include <stdbool.h>
#include <sys/types.h>

/* Connections that processes of our user have accepted at the socket bound to PATH, and whose
 * other end is open and is of our network namespace or that of process PID (0: of ours);
 * UINT_MAX: the kernel does not tell. */
unsigned process_sockets_connected (pid_t pid, const char *path);

/* As that, of anybody, and those that wait to be accepted, or whose other end is closed and which the
 * server has not closed yet. */
unsigned process_sockets_held (pid_t pid, const char *path);

/* Does somebody in the network namespace of process PID listen at PATH? */
bool process_sockets_listens (pid_t pid, const char *path);

/* Does somebody in our network namespace listen at PATH, on a socket that our user made? */
bool process_sockets_we_listen (const char *path);

#endif
