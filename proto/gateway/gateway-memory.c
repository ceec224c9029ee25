/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A server that has no memory to give, as it is older or short of it, still serves:
 * payload then goes over the connection.  One that does not answer is not asked
 * again for less. */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "deadline.h"
#include "gateway-memory.h"
#include "handover-offset.h"
#include "log.h"
#include "name.h"
#include "socket.h"

#define GIVES_WITHIN_S 5

static int
take_memory (const char *socket_path, struct upstream *upstream)
{
  const struct timeval limit = { .tv_sec = GIVES_WITHIN_S };
  CLEANUP_FD int fd = -1;
  int r;

  if (upstream->memory_number == UINT64_MAX ||
      !(upstream->flags & NBD_FLAG_SEND_CACHE))
    return -ENOTSUP;
  r = socket_connect_unix (socket_path, now_ms () + GIVES_WITHIN_S * 1000,
                           &fd);
  if (r == 0 &&
      (setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0 ||
       setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0))
    r = -errno;
  return r < 0 ? r : handover_memory_take (fd, upstream->memory_number,
                                           &upstream->memory, &upstream->size);
}

static int
open_with_memory (const struct routes *routes, const char *export,
                  struct upstream *upstream, struct failure *why)
{
  char name[EXPORT_NAME_MAX + sizeof HANDOVER_SUFFIX];
  int r;

  if ((size_t) snprintf (name, sizeof name, "%s" HANDOVER_SUFFIX, export) >=
      sizeof name)
    return -ENOENT;
  r = gateway_upstream_open (routes->upstream, name, UPSTREAM_MEMORY, upstream,
                             why);
  if (r < 0)
    return r;
  r = take_memory (routes->memory, upstream);
  if (r < 0)
    gateway_upstream_close (upstream);
  return r < 0 ? -ENOENT : 0;
}

int
gateway_memory_open (const struct routes *routes, const char *export,
                     struct upstream *upstream, struct failure *why)
{
  int r = routes->memory == NULL ? -ENOENT
          : open_with_memory (routes, export, upstream, why);

  if (r == 0 || r == -ESHUTDOWN || r == -ETIMEDOUT)
    return r;
  if (routes->memory != NULL)
    log_debug ("there is no memory for \"%s\"", export);
  return gateway_upstream_open (routes->upstream, export, UPSTREAM_DATA,
                                upstream, why);
}
