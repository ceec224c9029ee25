/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The server's side of the fixed newstyle handshake. */
#ifndef PULLBACK_GATEWAY_HANDSHAKE_H
#define PULLBACK_GATEWAY_HANDSHAKE_H

#include "gateway-meta-context.h"
#include "gateway-pulse.h"
#include "gateway-upstream.h"

/* Reads beyond this are refused; announced as the maximum block size. */
#define GATEWAY_READ_MAX (UINT32_C (32) << 20)

/* What was agreed on. */
struct session {
  const struct route *route;
  bool structured;
  bool consume;                 /* it may trim, and no more */
  bool writable;
  struct context_set contexts;
  struct upstream data;         /* open */
};

/* How long a client may take, in ms. */
struct handshake_limits {
  int64_t option_ms;            /* to the first option; for each once begun */
  int64_t pause_ms;             /* between two */
  int64_t total_ms;
};
extern const struct handshake_limits gateway_handshake_limits;

/* Shakes hands with the client at FD.  0: SESSION is filled and to be ended, transmission
 * starts; sends to FD then still have a time limit (SO_SNDTIMEO).  -errno: the
 * client is to be cut off (-ECONNABORTED: it went as the protocol wants).  A
 * client that takes too long is -ETIMEDOUT. */
int gateway_handshake (int fd, const struct routes *routes, const struct handshake_limits *limits, struct pulse *pulse, struct session *session) WARN_UNUSED;

/* Nothing of SESSION, with the client at FD, is under way upstream any more. */
void gateway_handshake_end_session (int fd, struct session *session);

#endif
