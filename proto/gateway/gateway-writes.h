/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a writable export takes besides reads: writes, zeroes, trims and flushes.  They
 * are handed upstream as reads are, in pieces of bounded size, whose replies
 * gateway_reads_reply_pump takes.
 *
 * A piece is announced upstream only when all of its payload is here (rule R7): so a client that is
 * lost amid it leaves the upstream server between two requests, and nothing is written
 * there that the client has not sent.  A write that is cut into pieces may then be there
 * in part, as any write may that was not answered.
 *
 * Thread: the request pump. */
#ifndef PULLBACK_GATEWAY_WRITES_H
#define PULLBACK_GATEWAY_WRITES_H

#include "gateway-reads.h"

struct writes {
  struct reads *reads;          /* borrowed */
  uint8_t *buffer;              /* of a piece; NULL: none yet */
  size_t buffer_size;
  struct gateway_pump pump;     /* if it is open */
  bool pump_open;
};

/* Where payload comes from: what the client has sent already, then FD. */
struct writes_payload {
  int fd;
  const uint8_t *here;
  size_t n_here;                /* what is left of it */
};

/* Of READS, which outlives them. */
void gateway_writes_create (struct writes *writes, struct reads *reads);
void gateway_writes_destroy (struct writes *writes);

/* Before any of the following: notes REQUEST's range as written.  -errno: it cannot be
 * noted, and must not be handed on. */
int gateway_writes_note (struct writes *writes, const struct nbd_request *request) WARN_UNUSED;

/* Hands on a write of at least a byte that is allowed, with its PAYLOAD.  -errno: the
 * connection ends. */
int gateway_writes_forward (struct writes *writes, const struct nbd_request *request, struct writes_payload *payload) WARN_UNUSED;

/* The same of what has no payload.  Zeroes may have to be written as such, so they are cut: less
 * is under way when the client is lost, and what is not yet handed on then never is. */
int gateway_writes_forward_short (struct writes *writes, const struct nbd_request *request) WARN_UNUSED;

#endif
