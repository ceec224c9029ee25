/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The NBD servers of a job: nbdkit with our plugin, and the gateway in front of it, to which
 * clients connect.  Threads: any. */
#ifndef PULLBACK_PROCESS_NBD_H
#define PULLBACK_PROCESS_NBD_H

#include <glib.h>

#include "failure.h"

/* Where clients connect to: HOST and PORT, or where these are NULL a unix SOCKET. */
struct process_nbd_front {
  const char *socket;           /* borrowed */
  char *host, *port;            /* numbers; g_free */
};

/* nbdkit with our plugin in ROLE, and THREADS for each connection; what follows is the role's
 * own.  Strings owned; unref it. */
GPtrArray *process_nbd_nbdkit (const char *role, unsigned threads);

/* What it needs in its environment, for process_child_spec; NULL: nothing.  g_strfreev. */
char **process_nbd_variables (void);

/* Listens at TCP, "[ADDRESS:]PORT", which FRONT is then filled with, or where that is NULL at
 * FRONT's socket. */
int process_nbd_listen (struct process_nbd_front *front, const char *tcp, int *fd,
                        struct failure *why) WARN_UNUSED;

/* "[HOST]:PORT", as process_place has it; NULL: a unix socket.  g_free. */
char *process_nbd_tcp (const struct process_nbd_front *front);

/* By which a client finds EXPORT_NAME.  g_free. */
char *process_nbd_uri (const struct process_nbd_front *front, const char *export_name);

#endif
