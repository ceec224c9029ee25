/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The control socket: one thread per connection, at most
 * SERVER_CONNECTIONS_MAX of them, or a quarter of the descriptors that the
 * daemon may have.  Whoever calls when all are taken waits in the socket's queue;
 * meanwhile the connection that has asked for nothing for longest is closed, so
 * that idle ones lock nobody out.  As each domain works at one request at a time,
 * long ones cannot take all. */
#ifndef PULLBACK_SERVER_H
#define PULLBACK_SERVER_H

#include "domain-registry.h"
#include "failure.h"

#define SERVER_CONNECTIONS_MAX 1024

struct server;

/* Listens at PATH, mode 0600.  The file of a daemon that is gone is replaced;
 * one that answers: FAILURE_BUSY.  Clients wait until server_run. */
int server_open (const char *path, struct server **server,
                 struct failure *why) WARN_UNUSED;

/* Serves until STOP_FD is readable.  Calls ALIVE every ALIVE_MS, about; -1: never. */
void server_run (struct server *server, struct domain_registry *registry, int stop_fd,
                 int alive_ms, void (*alive) (void));

/* Removes the socket; no more connections. */
void server_shut (struct server *server);

/* Ends the connections and waits for their threads: replies that are under way
 * are given 2 s. */
void server_close (struct server *server);

#endif
