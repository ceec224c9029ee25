/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>

#include "gateway-memory.h"
#include "gateway-open.h"

/* What is announced of a writable export must be so. */
static int
open_writable (const struct routes *routes, const struct route *route,
               struct upstream *upstream, struct failure *why)
{
  int r = gateway_upstream_open (gateway_routes_server (routes, route),
                                 route->upstream, UPSTREAM_DATA, upstream, why);

  if (r == -ENOENT)
    r = failure_set (why, FAILURE_GENERIC, EBUSY, "the upstream server does not "
                     "open export \"%.200s\": it has none, or is still writing "
                     "what it was asked for through a gateway that has ended; "
                     "try again later", route->name);
  if (r < 0)
    return r;
  if (upstream->flags & NBD_FLAG_READ_ONLY)
    r = failure_set (why, FAILURE_GENERIC, EROFS, "the upstream server does "
                     "not let export \"%.200s\" be written", route->name);
  else if (upstream->size != gateway_written_size (route->written))
    r = failure_set (why, FAILURE_GENERIC, EINVAL, "the map of what is written "
                     "is of another size than export \"%.200s\"",
                     route->name);
  if (r < 0) {
    gateway_upstream_say_goodbye (upstream);
    gateway_upstream_close (upstream);
  }
  return r;
}

int
gateway_open_route (const struct routes *routes, const struct route *route,
                    struct upstream *upstream, struct failure *why)
{
  if (route->writable)
    return open_writable (routes, route, upstream, why);
  if (route->server != NULL)
    return gateway_upstream_open (route->server, route->upstream,
                                  UPSTREAM_DATA, upstream, why);
  return gateway_memory_open (routes, route->upstream, upstream, why);
}
