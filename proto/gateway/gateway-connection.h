/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connections of the gateway: each is a thread that shakes hands and then
 * transmits, and costs nobody else anything when it breaks.  Places are few:
 * where one is wanted, the client with the most of them loses the one that has
 * been idle, or in the handshake, for longest, but never one that waits for an
 * answer or still takes it. */
#ifndef PULLBACK_GATEWAY_CONNECTION_H
#define PULLBACK_GATEWAY_CONNECTION_H

#include <pthread.h>
#include <stdbool.h>

#include "gateway-peer.h"
#include "gateway-pulse.h"
#include "gateway-routes.h"

#define CONNECTIONS_MAX WRITERS_MAX
#define CONNECTIONS_PEER_MAX 128        /* of one client */
#define CONNECTIONS_HANDSHAKES_MAX 64

/* Who is idle for less, or shakes hands for less, never has to go. */
#define CONNECTION_IDLE_MS 5000
#define HANDSHAKE_MS 1000
/* The same of one that has had an answer.  Over a slow network a handshake takes
 * seconds, and others are accepted the later. */
#define HANDSHAKE_TALKS_MS 10000

struct place {
  int fd;                       /* the client's socket; -1: free */
  struct peer peer;
  struct pulse pulse;
  bool transmitting;            /* the handshake is over */
  bool evicted;                 /* cut off, on its way out */
  int64_t since_ms;             /* connected */
  int untaken;                  /* bytes in the socket when last looked */
  int64_t untaken_since_ms;     /* that many */
};

struct connections {
  const struct routes *routes;  /* borrowed, constant */
  unsigned send_limit;          /* seconds, constant */
  pthread_mutex_t lock;         /* protects all below, but for the pulses */
  pthread_cond_t changed;
  struct place places[CONNECTIONS_MAX];
  unsigned count, handshakes;
  int64_t full_since_ms;        /* somebody waits for a place; 0: nobody */
};

/* SEND_LIMIT: seconds after which a client that takes nothing of a reply is cut
 * off. */
void gateway_connections_create (struct connections *connections, const struct routes *routes, unsigned send_limit);

/* A client wants to connect: may it be accepted (or refused, by
 * gateway_connections_add)?  Cuts off another one if needed, and waits a moment for
 * that.  One thread. */
bool gateway_connections_make_room (struct connections *connections);

/* Serves the client at FD and closes it in the end.  -EBUSY if there are too
 * many connections, -EDQUOT if the client has too many, or another -errno; FD
 * is closed then, too. */
int gateway_connections_add (struct connections *connections, int fd) WARN_UNUSED;

/* Lets clients have what they asked for, for a moment, cuts all off and waits
 * up to a few seconds until they are gone.  -ETIMEDOUT if some still are;
 * CONNECTIONS must then stay. */
int gateway_connections_cut (struct connections *connections) WARN_UNUSED;

#endif
