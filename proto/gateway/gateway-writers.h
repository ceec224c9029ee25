/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connections of a writable export, by their clients' sockets.  What a client that is
 * gone has asked for goes on upstream, and would go over what a later client is answered:
 * so a connection begins only when those whose clients are gone have ended (rule R12).  Connections
 * whose clients are there do not wait for each other.
 *
 * Threads: any, but for create and free. */
#ifndef PULLBACK_GATEWAY_WRITERS_H
#define PULLBACK_GATEWAY_WRITERS_H

#include <stdbool.h>
#include <stdint.h>

#include "failure.h"

/* No fewer than there may be connections. */
#define WRITERS_MAX 256

struct writers;

/* NULL without memory. */
struct writers *gateway_writers_create (void);
void gateway_writers_free (struct writers *writers);

/* A connection begins: first all leave whose clients are gone.  -ETIMEDOUT at
 * DEADLINE_MS, with a sentence in WHY; it must not go on then.  FD stays open until it leaves.  WRITERS may be NULL, as it is
 * of an export that is not writable: nothing is done then. */
int gateway_writers_join (struct writers *writers, int fd, int64_t deadline_ms, struct failure *why) WARN_UNUSED;

/* Nothing that it asked for is under way any more. */
void gateway_writers_leave (struct writers *writers, int fd);

/* Has the client at FD closed the connection, or said that it asks no more? */
bool gateway_writers_is_gone (int fd);

#endif
