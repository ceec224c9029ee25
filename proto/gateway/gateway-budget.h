/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How many bytes of reads may be under way at the upstream server, all
 * connections together.  Each has a share of its own that nobody can take: so
 * no connection ever waits for another one's client, and a client that stops
 * reading holds no more than that.  What the others have left may make a share
 * larger.
 *
 * Where the server hands payload over in memory (gateway-memory.h), the share is how
 * much of that is used.
 *
 * A server like nbdkit otherwise keeps, for as long as a connection lives, a buffer for
 * each thread of the largest read that the thread has answered.  So a read is
 * handed on in pieces of at most BUDGET_PIECE (share) bytes, and with up to
 * BUDGET_PIECES threads per connection, which is how the daemon starts the
 * view (with twice as many where it is not paced), the server holds no more than the
 * share (or twice that).  Threads: any. */
#ifndef PULLBACK_GATEWAY_BUDGET_H
#define PULLBACK_GATEWAY_BUDGET_H

#include <stdint.h>

#define BUDGET_LEAST (UINT32_C (512) << 10)     /* of every connection */
#define BUDGET_MOST (UINT32_C (4) << 20)        /* of one connection */
#define BUDGET_SPARE (UINT64_C (128) << 20)     /* beyond the least, of all */
#define BUDGET_PIECES 4
#define BUDGET_PIECE(share) ((share) / BUDGET_PIECES)

/* Doubles SHARE (at first BUDGET_LEAST) as often as there is plenty left, up to
 * BUDGET_MOST.  Returns the new share, which may be the old one. */
uint32_t gateway_budget_raise (uint32_t share);

/* The connection is over. */
void gateway_budget_return (uint32_t share);

#endif
