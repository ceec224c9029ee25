/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is at the other end of a connection, as far as places are shared out.
 * TCP: the address (of IPv6 the network, as a host has as many addresses as it
 * likes; all that is loopback is one).  Unix: the process, as all that may
 * connect are one user's. */
#ifndef PULLBACK_GATEWAY_PEER_H
#define PULLBACK_GATEWAY_PEER_H

#include <stdbool.h>
#include <stdint.h>

struct peer {
  int family;
  uint64_t number, part;        /* address; or process and user */
};

struct peer gateway_peer_of (int fd);
bool gateway_peer_is (const struct peer *a, const struct peer *b);

#endif
