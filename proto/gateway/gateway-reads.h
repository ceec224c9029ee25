/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reads of a connection, from the client's request to the reply: cut into
 * pieces (see gateway-budget.h) that are handed upstream, and answered with
 * what comes back.
 *
 * A structured reply has a chunk per piece, in the order they come.  A simple
 * one, or one that the client does not want fragmented, is a single run of
 * bytes: its pieces are asked for one after the other, the next while the last
 * is being moved, and nothing else is under way meanwhile.
 *
 * Threads: the request pump's but for gateway_reads_reply_pump, which is a thread. */
#ifndef PULLBACK_GATEWAY_READS_H
#define PULLBACK_GATEWAY_READS_H

#include "gateway-handshake.h"
#include "gateway-inflight.h"
#include "gateway-pump.h"
#include "gateway-reply.h"
#include "gateway-served.h"
#include "gateway-turns.h"

#define READS_BATCH 32

struct reads {
  const struct session *session;        /* borrowed, as are the next three */
  struct pulse *pulse;
  struct reply_channel *channel;
  struct served_session *served;
  struct inflight inflight;
  struct turns turns;
  uint32_t share;               /* of the budget */
  uint8_t out[READS_BATCH * NBD_REQUEST_SIZE];
  size_t out_length;            /* to be sent upstream */
  struct gateway_pump pump;      /* the reply pump's, as is all below; not where
                                    there is memory */
  uint8_t in[INFLIGHT_PIECES * NBD_SIMPLE_REPLY_SIZE];
  size_t in_start, in_end;      /* replies without payload, not yet looked at */
  bool client_lost;
  bool in_run;                  /* holds the channel's lock between pieces */
  int64_t served_ms;            /* see gateway_activity_touch */
};

/* -errno. */
int gateway_reads_create (struct reads *reads, const struct session *session, struct pulse *pulse, struct reply_channel *channel, struct served_session *served) WARN_UNUSED;
void gateway_reads_destroy (struct reads *reads);

/* Hands on REQUEST, a read of at least a byte that is allowed.  -errno: the
 * connection ends. */
int gateway_reads_forward (struct reads *reads, const struct nbd_request *request) WARN_UNUSED;

/* What was handed on really leaves.  Before anything that may wait. */
int gateway_reads_flush (struct reads *reads) WARN_UNUSED;

/* Answers until upstream is lost.  ARGUMENT is the struct reads *. */
void *gateway_reads_reply_pump (void *argument);

#endif
