/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The control socket: one thread per connection, at most
 * CONTROL_CONNECTIONS_MAX of them, or a quarter of the descriptors that the
 * daemon may have.  Whoever calls when all are taken waits in the socket's queue;
 * meanwhile the connection that has asked for nothing for longest is closed, so
 * that idle ones lock nobody out.  As each domain works at one request at a time,
 * long ones cannot take all. */
#ifndef PULLBACK_CONTROL_SERVER_H
#define PULLBACK_CONTROL_SERVER_H

#include "domain-registry.h"
#include "failure.h"

#define CONTROL_CONNECTIONS_MAX 1024

struct control_server;

/* Listens at PATH, mode 0600.  The file of a daemon that is gone is replaced;
 * one that answers: FAILURE_BUSY.  Clients wait until control_server_run. */
int control_server_open (const char *path, struct control_server **server,
                         struct failure *why) WARN_UNUSED;

/* Serves until STOP_FD is readable. */
void control_server_run (struct control_server *server,
                         struct domain_registry *registry, int stop_fd);

/* Removes the socket; no more connections. */
void control_server_shut (struct control_server *server);

/* Ends the connections and waits for their threads: replies that are under way
 * are given 2 s. */
void control_server_close (struct control_server *server);

#endif
