/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which meta contexts a query means, and the replies that list them.
 * Context 0 of an export is base:allocation, context i is the route's
 * contexts[i - 1], and after these comes pullback:served; the number is also its
 * id on the wire.  A constant table is read: any thread. */
#ifndef PULLBACK_GATEWAY_META_CONTEXT_H
#define PULLBACK_GATEWAY_META_CONTEXT_H

#include "gateway-routes.h"

struct context_set {
  bool has[1 + ROUTE_CONTEXTS_MAX + 1];
};

/* How many there are, chosen or not. */
size_t gateway_meta_context_count (const struct route *route);

/* Is it pullback:served, which the upstream server knows nothing of? */
bool gateway_meta_context_is_served (const struct route *route, size_t number);

/* Finds what REQUEST asks for.  LISTING: no query means all, and a query that
 * ends in ':' ("qemu:", "qemu:dirty-bitmap:") means all that start so; else
 * only whole names count. */
struct context_set gateway_meta_context_match (const struct route *route, struct nbd_meta_request *request, bool listing);

/* Appends one reply per context of SET. */
void gateway_meta_context_put (const struct route *route, const struct context_set *set, uint32_t option, struct nbd_buffer *out);

#endif
