/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Listening sockets that the daemon holds for its children.  *FD becomes the
 * caller's.  Threads: any. */
#ifndef PULLBACK_PROCESS_LISTEN_H
#define PULLBACK_PROCESS_LISTEN_H

#include <sys/types.h>

#include "failure.h"

/* A listening unix socket at PATH, mode 0600 and owned by UID/GID when we are
 * root; an old socket file is replaced, any other file is refused. */
int process_listen_unix (const char *path, uid_t uid, gid_t gid, int *fd, struct failure *why) WARN_UNUSED;

/* "[ADDRESS:]PORT", default loopback.  Sentence for a port in use. */
int process_listen_tcp (const char *where, int *fd, struct failure *why) WARN_UNUSED;

#endif
