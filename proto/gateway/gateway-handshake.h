/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The server's side of the fixed newstyle handshake. */
#ifndef PULLBACK_GATEWAY_HANDSHAKE_H
#define PULLBACK_GATEWAY_HANDSHAKE_H

#include "gateway-meta-context.h"
#include "gateway-upstream.h"

/* Reads beyond this are refused; announced as the maximum block size. */
#define GATEWAY_READ_MAX (UINT32_C (32) << 20)

/* What was agreed on. */
struct session {
  const struct route *route;
  bool structured;
  struct context_set contexts;
  struct upstream data;         /* open; the owner of the session closes it */
};

/* Shakes hands with the client at FD.  0: SESSION is filled, transmission
 * starts.  -errno: the client is to be cut off (-ECONNABORTED: it went as the
 * protocol wants).  A client that takes too long is -ETIMEDOUT. */
int gateway_handshake (int fd, const struct routes *routes, struct session *session) WARN_UNUSED;

#endif
