/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A thread per client: reads are moved by blocking calls, and a client that
 * stops costs its own thread only.  That makes places few, so most of this
 * file says who has to go when they are all taken.  The rule is by use, not by
 * age or address alone: many clients behind one address are legitimate, and so
 * is one that is quiet between two pulls as long as nobody wants its place. */
#include <config.h>

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "checked-math.h"
#include "deadline.h"
#include "gateway-connection.h"
#include "gateway-thread.h"
#include "gateway-transmission.h"
#include "log.h"

#define ROOM_MS 100
#define HOPE_MS (CONNECTION_IDLE_MS + 2000)
#define UNSENT_MAX (256 << 10)    /* bytes in a TCP socket */
/* Of a unix socket, as the kernel makes twice that of it, or less: more than a piece
 * (gateway-turns.h), so that one send is not woken in the midst of it. */
#define UNIX_BUFFER (512 << 10)
#define LINGER_MS 1500
#define CUT_MS 5000

struct connection {
  struct connections *connections;
  struct place *place;
};

void
gateway_connections_create (struct connections *connections,
                            const struct routes *routes, unsigned send_limit)
{
  unsigned i;

  *connections = (struct connections) { .routes = routes,
                                        .send_limit = send_limit };
  for (i = 0; i < CONNECTIONS_MAX; i++)
    connections->places[i].fd = -1;
  pthread_mutex_init (&connections->lock, NULL);
  pthread_cond_init (&connections->changed, NULL);
}

/* --- places ----------------------------------------------------------- */

/* False at the deadline. */
static bool
wait_changed_locked (struct connections *connections, int64_t deadline_ms)
{
  return wait_until_ms (&connections->changed, &connections->lock, deadline_ms);
}

/* Since when as much as now lies in the socket for the client.  One that still
 * takes of it is at work, one that takes nothing is not. */
static int64_t
untaken_ms (struct place *place)
{
  int bytes = 0;

  if (ioctl (place->fd, SIOCOUTQ, &bytes) == 0 && bytes != place->untaken) {
    place->untaken = bytes;
    place->untaken_since_ms = now_ms ();
  }
  return now_ms () - place->untaken_since_ms;
}

/* For how long the client has been of no use; -1 if it waits for an answer.
 * Talk makes no handshake younger. */
static int64_t
idle_ms (struct place *place)
{
  int64_t quiet = gateway_pulse_quiet_ms (&place->pulse), untaken;

  if (quiet < 0)
    return quiet;
  if (!place->transmitting)
    return now_ms () - place->since_ms;
  untaken = untaken_ms (place);
  return untaken < quiet ? untaken : quiet;
}

/* For how long it must be that before it has to go. */
static int64_t
needed_ms (struct place *place)
{
  if (place->transmitting)
    return CONNECTION_IDLE_MS;
  return gateway_pulse_has_paid (&place->pulse) ? HANDSHAKE_TALKS_MS
                                                : HANDSHAKE_MS;
}

static unsigned
count_locked (const struct connections *connections, const struct peer *peer,
              bool handshakes)
{
  const struct place *place;
  unsigned count = 0;

  for (place = connections->places;
       place < connections->places + CONNECTIONS_MAX; place++)
    count += place->fd >= 0 && !place->evicted &&
             !(handshakes && place->transmitting) &&
             gateway_peer_is (peer, &place->peer);
  return count;
}

/* Who must go: of the client with the most places, the one that is idle for
 * longest, and long enough.  PEER: only of that client.  HANDSHAKES: only in the
 * handshake, and if those of the client with the most are too young, nobody, as
 * that will change.  *HOPE is set if one goes already, or may be idle for long
 * enough. */
static struct place *
find_victim_locked (struct connections *connections, const struct peer *peer,
                    bool handshakes, bool *hope)
{
  struct place *place, *victim = NULL;
  unsigned most = 0, count;
  int64_t longest = INT64_MIN, idle, over;

  for (place = connections->places;
       place < connections->places + CONNECTIONS_MAX; place++) {
    if (place->fd < 0 || (handshakes && place->transmitting) ||
        (peer != NULL && !gateway_peer_is (peer, &place->peer)))
      continue;
    idle = idle_ms (place);
    over = idle - needed_ms (place);
    *hope |= place->evicted || idle >= 0;
    if (place->evicted || idle < 0 || (!handshakes && over < 0))
      continue;
    count = count_locked (connections, &place->peer, handshakes);
    if (count > most || (count == most && over > longest)) {
      most = count;
      longest = over;
      victim = place;
    }
  }
  return longest < 0 ? NULL : victim;
}

static void
evict_locked (struct place *place)
{
  log_debug ("an idle client has to make room");
  place->evicted = true;
  shutdown (place->fd, SHUT_RDWR);
}

static bool
is_full_locked (const struct connections *connections)
{
  return connections->count == CONNECTIONS_MAX ||
         connections->handshakes >= CONNECTIONS_HANDSHAKES_MAX;
}

/* Is it worth waiting for a place?  Handshakes end soon, one way or the other,
 * but clients that are all at work, and quiet in between, do not. */
static bool
clear_a_place_locked (struct connections *connections)
{
  bool handshakes = connections->count < CONNECTIONS_MAX, hope = false;
  struct place *victim = find_victim_locked (connections, NULL, handshakes,
                                             &hope);

  if (victim != NULL)
    evict_locked (victim);
  if (victim != NULL || handshakes)
    return true;
  if (connections->full_since_ms == 0)
    connections->full_since_ms = now_ms ();
  return hope && now_ms () - connections->full_since_ms < HOPE_MS;
}

bool
gateway_connections_make_room (struct connections *connections)
{
  int64_t deadline = now_ms () + ROOM_MS;
  bool hope = true, room;

  pthread_mutex_lock (&connections->lock);
  if (is_full_locked (connections))
    hope = clear_a_place_locked (connections);
  while (hope && is_full_locked (connections) &&
         wait_changed_locked (connections, deadline))
    ;
  room = !is_full_locked (connections);
  if (room)
    connections->full_since_ms = 0;
  pthread_mutex_unlock (&connections->lock);
  return room || !hope;
}

/* A client with too many connections loses its own. */
static int
check_peer_locked (struct connections *connections, const struct peer *peer)
{
  struct place *victim;
  bool hope = false;

  if (count_locked (connections, peer, false) < CONNECTIONS_PEER_MAX)
    return 0;
  victim = find_victim_locked (connections, peer, false, &hope);
  if (victim == NULL)
    return -EDQUOT;
  evict_locked (victim);
  return 0;
}

static int
take_place (struct connections *connections, int fd, struct place **out)
{
  struct place *place = connections->places;
  struct peer peer = gateway_peer_of (fd);
  int r = -EBUSY;

  pthread_mutex_lock (&connections->lock);
  if (connections->count < CONNECTIONS_MAX)
    r = check_peer_locked (connections, &peer);
  if (r == 0) {
    while (place->fd >= 0)
      place++;
    place->fd = fd;
    place->peer = peer;
    place->transmitting = place->evicted = false;
    place->since_ms = place->untaken_since_ms = now_ms ();
    place->untaken = 0;
    gateway_pulse_create (&place->pulse);
    connections->count++;
    connections->handshakes++;
    *out = place;
  }
  pthread_mutex_unlock (&connections->lock);
  return r;
}

static void
end_handshake (struct connections *connections, struct place *place)
{
  pthread_mutex_lock (&connections->lock);
  place->transmitting = true;
  connections->handshakes--;
  pthread_cond_broadcast (&connections->changed);
  pthread_mutex_unlock (&connections->lock);
}

/* Closes under the lock, so that nobody cuts another file off. */
static void
give_place_back (struct connections *connections, struct place *place)
{
  pthread_mutex_lock (&connections->lock);
  close (place->fd);
  place->fd = -1;
  gateway_pulse_destroy (&place->pulse);
  connections->count--;
  connections->handshakes -= !place->transmitting;
  pthread_cond_broadcast (&connections->changed);
  pthread_mutex_unlock (&connections->lock);
}

/* --- serving ---------------------------------------------------------- */

/* Small replies leave at once.  A peer that is gone without a word is noticed
 * within LIMIT seconds: by probes while it is owed nothing, and by what it does not
 * acknowledge while it is.  One that takes nothing makes the kernel keep no more
 * than a unix socket would: what the network can have under way is not limited by
 * that. */
static void
tune_socket (int fd, unsigned limit)
{
  int one = 1, buffer = UNIX_BUFFER, unsent = UNSENT_MAX, probes = 4;
  int idle = (int) max_u64 (limit / 2, 1);
  int interval = (int) max_u64 (limit / 8, 1);
  unsigned silent_ms = limit * 1000;

  if (setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0) {
    setsockopt (fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    return;                     /* a unix socket */
  }
  setsockopt (fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
  setsockopt (fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
  setsockopt (fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  setsockopt (fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  setsockopt (fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
  setsockopt (fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silent_ms, sizeof silent_ms);
}

static void *
serve (void *opaque)
{
  struct connection connection = *(struct connection *) opaque;
  struct connections *connections = connection.connections;
  const struct routes *routes = connections->routes;
  struct place *place = connection.place;
  struct timeval patience = { .tv_sec = connections->send_limit };
  struct session session;
  int r;

  free (opaque);
  tune_socket (place->fd, connections->send_limit);
  r = gateway_handshake (place->fd, routes, &gateway_handshake_limits,
                         &place->pulse, &session);
  if (r == 0) {
    log_debug ("a client opened export \"%s\"", session.route->name);
    end_handshake (connections, place);
    setsockopt (place->fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
                sizeof patience);
    gateway_transmission (place->fd,
                          gateway_routes_server (routes, session.route),
                          &place->pulse, &session);
    gateway_handshake_end_session (place->fd, &session);
  } else
    log_debug ("a client ended in the handshake: %s", strerror (-r));
  give_place_back (connections, place);
  return NULL;
}

int
gateway_connections_add (struct connections *connections, int fd)
{
  struct connection *connection = malloc (sizeof *connection);
  struct place *place = NULL;
  int r = connection == NULL ? -ENOMEM : take_place (connections, fd, &place);

  if (r < 0) {
    free (connection);
    close (fd);
    return r;
  }
  *connection = (struct connection) { connections, place };
  r = gateway_thread_start (serve, connection, NULL);
  if (r < 0) {
    free (connection);
    give_place_back (connections, place);
  }
  return r;
}

static void
shut_all_locked (struct connections *connections, int how)
{
  unsigned i;

  for (i = 0; i < CONNECTIONS_MAX; i++)
    if (connections->places[i].fd >= 0)
      shutdown (connections->places[i].fd, how);
}

int
gateway_connections_cut (struct connections *connections)
{
  int64_t linger = now_ms () + LINGER_MS, end = now_ms () + CUT_MS;
  int r;

  pthread_mutex_lock (&connections->lock);
  /* The end of what the client asks. */
  shut_all_locked (connections, SHUT_RD);
  while (connections->count > 0 && wait_changed_locked (connections, linger))
    ;
  shut_all_locked (connections, SHUT_RDWR);
  while (connections->count > 0 && wait_changed_locked (connections, end))
    ;
  r = connections->count > 0 ? -ETIMEDOUT : 0;
  pthread_mutex_unlock (&connections->lock);
  return r;
}
