/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The transmission phase of one connection.
 *
 *   client --requests--> request pump --reads, writes--> upstream data connection
 *      ^                      | errors, block status         |
 *      |                      v                              v
 *      '------ send lock ---- reply <--splice-- reply pump <-'
 */
#ifndef PULLBACK_GATEWAY_TRANSMISSION_H
#define PULLBACK_GATEWAY_TRANSMISSION_H

#include "gateway-handshake.h"

/* Serves the client at FD until it says goodbye or either side is lost; the
 * caller's thread is the request pump, the reply pump is a thread of its own.
 * Shutting FD down makes it return soon.  Neither FD nor SESSION are closed.
 * SERVER: the path of the upstream server's socket, which outlives all connections. */
void gateway_transmission (int fd, const char *server, struct pulse *pulse, struct session *session);

#endif
