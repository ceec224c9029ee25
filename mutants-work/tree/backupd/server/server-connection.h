/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One client of the control socket. */
#ifndef PULLBACK_SERVER_CONNECTION_H
#define PULLBACK_SERVER_CONNECTION_H

#include <stdbool.h>

#include "domain-registry.h"
#include "failure.h"

/* May the peer of FD give commands?  Only root and our own user. */
int server_connection_check (int fd, struct failure *why) WARN_UNUSED;

/* Greets, then answers requests until the client leaves.  FD is borrowed.
 * ON_IDLE (OPAQUE, is it) is told whenever no request is at work, and when one
 * is. */
void server_connection_serve (int fd, struct domain_registry *registry,
                               void (*on_idle) (void *opaque, bool is_idle),
                               void *opaque);

/* Sends WHY as the only message. */
void server_connection_refuse (int fd, const struct failure *why);

#endif
