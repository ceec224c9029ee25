/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The control socket: one thread per connection, at most
 * CONTROL_CONNECTIONS_MAX of them. */
#ifndef PULLBACK_CONTROL_SERVER_H
#define PULLBACK_CONTROL_SERVER_H

#include "domain-registry.h"
#include "failure.h"

#define CONTROL_CONNECTIONS_MAX 64

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

/* Ends the connections and waits for their threads. */
void control_server_close (struct control_server *server);

#endif
