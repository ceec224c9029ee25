/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Turns at the upstream server.  It serves what it is asked as it comes, so that a
 * client with sixteen connections would get sixteen times as much as one with a
 * single connection.  While more than one client (gateway-peer.h) is at work, each
 * has at most TURNS pieces there that are not answered yet, whatever the number of
 * its connections; one that is alone has as many as it likes.
 *
 * A connection whose client does not take its answer holds no turn meanwhile: it
 * makes nobody wait, not even others of the same client.
 *
 * Threads: the request pump takes, the reply pump does the rest. */
#ifndef PULLBACK_GATEWAY_TURNS_H
#define PULLBACK_GATEWAY_TURNS_H

#include <stdbool.h>
#include <stdint.h>

#include "cleanup.h"
#include "gateway-budget.h"
#include "gateway-peer.h"

#define TURNS BUDGET_PIECES
/* A piece is no larger while others are at work. */
#define TURN_BYTES (UINT32_C (256) << 10)

struct turns_peer;

/* Of a connection. */
struct turns {
  struct turns_peer *peer;      /* shared; the rest is protected by its lock */
  unsigned pieces;              /* asked for, and the answer has not begun */
  bool moving;                  /* an answer is on its way to the client */
  bool stopped;
};

/* -ENOMEM. */
int gateway_turns_join (struct turns *turns, struct peer peer) WARN_UNUSED;
void gateway_turns_leave (struct turns *turns);

/* The largest piece now. */
uint32_t gateway_turns_bytes (struct turns *turns);

/* Takes a turn for a piece; false if that would have to WAIT.  After that, and not
 * before what was asked for has left, wait.  Always true once stopped. */
bool gateway_turns_take (struct turns *turns, bool wait);

/* The answer of a piece has begun, and has gone to the client. */
void gateway_turns_begin (struct turns *turns);
void gateway_turns_end (struct turns *turns);

/* No answer comes any more; who waits wakes. */
void gateway_turns_stop (struct turns *turns);

#endif
