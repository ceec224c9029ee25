/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reads of a connection, from the client's request to the reply, and the replies of
 * what a writable export takes besides: cut into
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

/* For gateway-writes.h, whose requests go the same way. */

/* The most bytes of a piece, for a request of LENGTH. */
uint32_t gateway_reads_piece_length (struct reads *reads, uint32_t length);

/* Adds a piece of READ, once there is room for it and its turn has come; what was handed
 * on before has left then, if it had to wait.  The number that is its cookie, or as
 * gateway_inflight_add: -ECANCELED, -ESHUTDOWN, or -errno of the upstream server. */
int gateway_reads_add_piece (struct reads *reads, struct inflight_read *read, uint64_t offset, uint32_t length, uint32_t *slot) WARN_UNUSED;

/* ONWARD is sent with what is handed on next, or by gateway_reads_flush. */
int gateway_reads_put (struct reads *reads, const struct nbd_request *onward) WARN_UNUSED;

/* The last LENGTH bytes of READ are not asked for, as a piece of it has failed: whoever
 * is the last says so to the client. */
int gateway_reads_give_up (struct reads *reads, struct inflight_read *read, uint32_t length) WARN_UNUSED;

/* What was handed on really leaves.  Before anything that may wait. */
int gateway_reads_flush (struct reads *reads) WARN_UNUSED;

/* Answers until upstream is lost.  ARGUMENT is the struct reads *. */
void *gateway_reads_reply_pump (void *argument);

#endif
