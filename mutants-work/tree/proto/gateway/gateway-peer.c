/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <netinet/in.h>
#include <string.h>

#include "gateway-peer.h"
#include "socket.h"

struct peer
gateway_peer_of (int fd)
{
  struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
  const struct sockaddr_in *v4 = (const struct sockaddr_in *) &address;
  const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *) &address;
  socklen_t length = sizeof address;
  struct ucred process = { .pid = 0 };
  socklen_t process_length = sizeof process;
  struct peer peer = { .family = AF_UNSPEC };

  if (getpeername (fd, (struct sockaddr *) &address, &length) < 0)
    return peer;                /* gone already */
  if (socket_is_loopback ((struct sockaddr *) &address))
    return (struct peer) { .family = AF_INET, .number = INADDR_LOOPBACK };
  peer.family = address.ss_family;
  if (peer.family == AF_INET)
    peer.number = v4->sin_addr.s_addr;
  else if (peer.family == AF_INET6)
    memcpy (&peer.number, &v6->sin6_addr, sizeof peer.number);
  else if (getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &process,
                       &process_length) == 0) {
    peer.number = (uint64_t) process.pid;
    peer.part = process.uid;
  }
  return peer;
}

bool
gateway_peer_is (const struct peer *a, const struct peer *b)
{
  return a->family == b->family && a->number == b->number &&
         a->part == b->part;
}
