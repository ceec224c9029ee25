/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "gateway-connection.h"
#include "gateway-thread.h"
#include "gateway-transmission.h"
#include "log.h"

#define CUT_SECONDS 5

struct connection {
  struct connections *connections;
  unsigned place;
  int fd;
};

void
connections_create (struct connections *connections,
                    const struct routes *routes)
{
  pthread_condattr_t attributes;
  unsigned i;

  *connections = (struct connections) { .routes = routes };
  for (i = 0; i < CONNECTIONS_MAX; i++)
    connections->fds[i] = -1;
  pthread_mutex_init (&connections->lock, NULL);
  pthread_condattr_init (&attributes);
  pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
  pthread_cond_init (&connections->changed, &attributes);
  pthread_condattr_destroy (&attributes);
}

static int
take_place (struct connections *connections, int fd)
{
  int place = -EBUSY;

  pthread_mutex_lock (&connections->lock);
  if (connections->count < CONNECTIONS_MAX) {
    for (place = 0; connections->fds[place] >= 0; place++)
      ;
    connections->fds[place] = fd;
    connections->count++;
  }
  pthread_mutex_unlock (&connections->lock);
  return place;
}

/* Closes under the lock, so that nobody cuts another file off. */
static void
give_place_back (struct connections *connections, unsigned place)
{
  pthread_mutex_lock (&connections->lock);
  close (connections->fds[place]);
  connections->fds[place] = -1;
  connections->count--;
  pthread_cond_signal (&connections->changed);
  pthread_mutex_unlock (&connections->lock);
}

/* Small replies leave at once, and a peer that is gone is noticed. */
static void
tune_socket (int fd)
{
  int one = 1, idle = 60, interval = 15, probes = 4;

  if (setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0)
    return;                     /* a unix socket */
  setsockopt (fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
  setsockopt (fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  setsockopt (fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  setsockopt (fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

static void *
serve (void *opaque)
{
  struct connection connection = *(struct connection *) opaque;
  const struct routes *routes = connection.connections->routes;
  struct session session;
  int r;

  free (opaque);
  tune_socket (connection.fd);
  r = gateway_handshake (connection.fd, routes, &session);
  if (r == 0) {
    log_debug ("a client opened export \"%s\"", session.route->name);
    gateway_transmission (connection.fd, routes->upstream, &session);
    upstream_close (&session.data);
  } else
    log_debug ("a client ended in the handshake: %s", strerror (-r));
  give_place_back (connection.connections, connection.place);
  return NULL;
}

int
connections_add (struct connections *connections, int fd)
{
  struct connection *connection = malloc (sizeof *connection);
  int place = connection == NULL ? -ENOMEM : take_place (connections, fd);
  int r;

  if (place < 0) {
    free (connection);
    close (fd);
    return place;
  }
  *connection = (struct connection) { connections, (unsigned) place, fd };
  r = gateway_thread_start (serve, connection, NULL);
  if (r < 0) {
    free (connection);
    give_place_back (connections, (unsigned) place);
  }
  return r;
}

int
connections_cut (struct connections *connections)
{
  struct timespec end;
  unsigned i;
  int error = 0;

  clock_gettime (CLOCK_MONOTONIC, &end);
  end.tv_sec += CUT_SECONDS;
  pthread_mutex_lock (&connections->lock);
  for (i = 0; i < CONNECTIONS_MAX; i++)
    if (connections->fds[i] >= 0)
      shutdown (connections->fds[i], SHUT_RDWR);
  while (connections->count > 0 && error == 0)
    error = pthread_cond_timedwait (&connections->changed, &connections->lock,
                                    &end);
  pthread_mutex_unlock (&connections->lock);
  return -error;
}
