/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The data connection of a client: to which server a route leads, and whether what that
 * serves is what the route says. */
#ifndef PULLBACK_GATEWAY_OPEN_H
#define PULLBACK_GATEWAY_OPEN_H

#include "gateway-routes.h"
#include "gateway-upstream.h"

/* As gateway_upstream_open.  -EROFS: ROUTE is writable, and upstream it is not; -EINVAL:
 * the map of what is written is of another size. */
int gateway_open_route (const struct routes *routes, const struct route *route, struct upstream *upstream, struct failure *why) WARN_UNUSED;

#endif
