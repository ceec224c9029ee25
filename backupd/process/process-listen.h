/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Listening sockets that the daemon holds for its children.  *FD becomes the
 * caller's.  Threads: any. */
#ifndef PULLBACK_PROCESS_LISTEN_H
#define PULLBACK_PROCESS_LISTEN_H

#include <stdbool.h>
#include <sys/types.h>

#include "failure.h"

/* Where a child listens: at a unix SOCKET, whose owner is UID and GID, or by "ADDRESS:PORT". */
struct process_place {
  const char *socket;
  uid_t uid;
  gid_t gid;
  bool theirs;                  /* its folder is that user's, see process-visit.h */
  const char *label;            /* that SELinux has for it, see process-label.h; NULL: any */
  const char *tcp;              /* NULL where there is a socket */
};

/* One of the two below; or, in a folder that is theirs, with that user's rights: see
 * process-visit.h. */
int process_listen (const struct process_place *place, int *fd, struct failure *why) WARN_UNUSED;

/* Removes the socket, if there is one, with the rights that made it. */
void process_listen_remove (const struct process_place *place);

/* What the kernel calls its socket, for process-sockets.h.  Borrowed from PLACE. */
const char *process_listen_name (const struct process_place *place);

/* A listening unix socket at PATH, mode 0600 and owned by UID/GID when we are
 * root; an old socket file is replaced, any other file is refused. */
int process_listen_unix (const char *path, uid_t uid, gid_t gid, int *fd, struct failure *why) WARN_UNUSED;

/* "[ADDRESS:]PORT", default loopback.  Sentence for a port in use. */
int process_listen_tcp (const char *where, int *fd, struct failure *why) WARN_UNUSED;

#endif
