/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The metrics over HTTP, for a Prometheus server.  Threads: all from one. */
#ifndef PULLBACK_METRICS_HTTP_H
#define PULLBACK_METRICS_HTTP_H

#include "domain-registry.h"
#include "failure.h"

/* Listens at WHERE, "[ADDRESS:]PORT" (without ADDRESS only on 127.0.0.1) or the absolute path of
 * a unix socket, which anybody may connect to who may enter its folder.  -ENOSYS: built without
 * libmicrohttpd. */
int metrics_http_open (const char *where, struct failure *why) WARN_UNUSED;

/* From now on a thread answers GET /metrics there, by REGISTRY.  Not open: does nothing. */
int metrics_http_start (struct domain_registry *registry, struct failure *why) WARN_UNUSED;

/* Closes all connections, and removes the unix socket.  Not open: does nothing. */
void metrics_http_stop (void);

#endif
