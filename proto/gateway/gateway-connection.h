/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connections of the gateway: each is a thread that shakes hands and then
 * transmits, and costs nobody else anything when it breaks. */
#ifndef PULLBACK_GATEWAY_CONNECTION_H
#define PULLBACK_GATEWAY_CONNECTION_H

#include <pthread.h>

#include "gateway-routes.h"

#define CONNECTIONS_MAX 256

struct connections {
  const struct routes *routes;  /* borrowed */
  pthread_mutex_t lock;         /* protects all below */
  pthread_cond_t changed;
  int fds[CONNECTIONS_MAX];     /* clients' sockets, -1 for a free place */
  unsigned count;
};

void connections_create (struct connections *connections, const struct routes *routes);

/* Serves the client at FD and closes it in the end.  -EBUSY if there are too
 * many connections, or another -errno; FD is closed then, too. */
int connections_add (struct connections *connections, int fd) WARN_UNUSED;

/* Cuts all off and waits up to a few seconds until they are gone.  -ETIMEDOUT
 * if some still are; CONNECTIONS must then stay. */
int connections_cut (struct connections *connections) WARN_UNUSED;

#endif
