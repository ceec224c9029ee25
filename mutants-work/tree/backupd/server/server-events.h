/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What goes out to the clients of the control socket: replies, and between them
 * events to all clients.
 *
 * An event never waits for a client: it is kept while a reply is being sent, and
 * a client that does not read what it is sent is cut off. */
#ifndef PULLBACK_SERVER_EVENTS_H
#define PULLBACK_SERVER_EVENTS_H

#include <json-c/json.h>

#include "cleanup.h"

struct server_outbox;

/* For a connection that has been greeted; FD is borrowed.  One thread each. */
struct server_outbox *server_outbox_create (int fd);
void server_outbox_destroy (struct server_outbox *outbox);

/* As control_message_write. */
int server_outbox_send (struct server_outbox *outbox, json_object *message) WARN_UNUSED;

/* Tells all clients.  DATA is taken over.  Threads: any. */
void server_events_emit (const char *event, json_object *data);

#endif
