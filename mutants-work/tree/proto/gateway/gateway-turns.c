/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The number of turns is that of a server's threads per connection (the view has so
 * many): a client with a single connection can have no more served at once.
 *
 * Who is at work is looked at now and then, not at each piece, and one that was a
 * moment ago still is: a client that asks for one thing after the other is between
 * two of them most of the time. */
#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "deadline.h"
#include "gateway-turns.h"

#define LOOK_MS 20
#define AT_WORK_MS 200
#define WAIT_MS 50              /* until the next look of one that waits */

struct turns_peer {
  struct peer peer;
  unsigned connections;
  unsigned used;                /* pieces of connections that do not move */
  int64_t asked_ms;             /* the last time */
  pthread_cond_t changed;
  struct turns_peer *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Protected by lock. */
static struct turns_peer *peers;
static int64_t looked_ms;
static bool contended;          /* when looked at */

static struct turns_peer *
find_locked (const struct peer *peer)
{
  struct turns_peer *found;

  for (found = peers; found != NULL; found = found->next)
    if (gateway_peer_is (&found->peer, peer))
      return found;
  found = calloc (1, sizeof *found);
  if (found != NULL) {
    found->peer = *peer;
    pthread_cond_init (&found->changed, NULL);
    found->next = peers;
    peers = found;
  }
  return found;
}

int
gateway_turns_join (struct turns *turns, struct peer peer)
{
  *turns = (struct turns) { .peer = NULL };
  pthread_mutex_lock (&lock);
  turns->peer = find_locked (&peer);
  if (turns->peer != NULL)
    turns->peer->connections++;
  pthread_mutex_unlock (&lock);
  return turns->peer == NULL ? -ENOMEM : 0;
}

static void
forget_locked (struct turns_peer *peer)
{
  struct turns_peer **link = &peers;

  while (*link != peer)
    link = &(*link)->next;
  *link = peer->next;
  pthread_cond_destroy (&peer->changed);
  free (peer);
}

void
gateway_turns_leave (struct turns *turns)
{
  pthread_mutex_lock (&lock);
  if (!turns->moving)
    turns->peer->used -= turns->pieces;
  pthread_cond_broadcast (&turns->peer->changed);
  if (--turns->peer->connections == 0)
    forget_locked (turns->peer);
  pthread_mutex_unlock (&lock);
}

static bool
is_contended_locked (int64_t now)
{
  const struct turns_peer *peer;
  unsigned count = 0;

  if (now - looked_ms < LOOK_MS)
    return contended;
  for (peer = peers; peer != NULL; peer = peer->next)
    count += peer->used > 0 || now - peer->asked_ms < AT_WORK_MS;
  looked_ms = now;
  contended = count > 1;
  return contended;
}

uint32_t
gateway_turns_bytes (struct turns *turns)
{
  uint32_t bytes;

  pthread_mutex_lock (&lock);
  bytes = is_contended_locked (now_ms ()) ? TURN_BYTES : UINT32_MAX;
  pthread_mutex_unlock (&lock);
  return bytes;
}

static bool
may_take_locked (const struct turns *turns)
{
  return turns->stopped ||
         (turns->pieces < TURNS && turns->peer->used < TURNS) ||
         !is_contended_locked (turns->peer->asked_ms);
}

bool
gateway_turns_take (struct turns *turns, bool wait)
{
  struct turns_peer *peer = turns->peer;
  bool taken;

  pthread_mutex_lock (&lock);
  peer->asked_ms = now_ms ();
  while (!(taken = may_take_locked (turns)) && wait) {
    wait_until_ms (&peer->changed, &lock, now_ms () + WAIT_MS);
    peer->asked_ms = now_ms ();
  }
  if (taken) {
    turns->pieces++;
    peer->used += !turns->moving;
  }
  pthread_mutex_unlock (&lock);
  return taken;
}

void
gateway_turns_begin (struct turns *turns)
{
  pthread_mutex_lock (&lock);
  turns->peer->used -= turns->pieces;
  turns->pieces--;
  turns->moving = true;
  pthread_cond_broadcast (&turns->peer->changed);
  pthread_mutex_unlock (&lock);
}

void
gateway_turns_end (struct turns *turns)
{
  pthread_mutex_lock (&lock);
  turns->moving = false;
  turns->peer->used += turns->pieces;
  pthread_mutex_unlock (&lock);
}

void
gateway_turns_stop (struct turns *turns)
{
  pthread_mutex_lock (&lock);
  turns->stopped = true;
  pthread_cond_broadcast (&turns->peer->changed);
  pthread_mutex_unlock (&lock);
}
