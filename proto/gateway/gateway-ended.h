/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections at an upstream server's socket that are there before this gateway has made any: those
 * of one that was killed.  The server keeps them until it has done what was asked for over
 * them, which would go over what a client of this gateway is answered (rule R12).
 *
 * Threads: any, but for open and close. */
#ifndef PULLBACK_GATEWAY_ENDED_H
#define PULLBACK_GATEWAY_ENDED_H

#include <stdint.h>

#include "failure.h"

struct ended;

/* Those at the socket SERVER now; before the first connection is made there, and before the
 * gateway is confined. */
int gateway_ended_open (const char *server, struct ended **ended, struct failure *why) WARN_UNUSED;
void gateway_ended_close (struct ended *ended);

/* Waits until the server has closed all of them.  -ETIMEDOUT at DEADLINE_MS, with a sentence in WHY.
 * Where ENDED is NULL nothing is done. */
int gateway_ended_wait (struct ended *ended, int64_t deadline_ms, struct failure *why) WARN_UNUSED;

#endif
