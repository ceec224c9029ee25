/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* By pidfds, which say that a process has ended from then on, be its number given to
 * another one or not, and also where nobody has waited for it yet. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "deadline.h"
#include "plugin-peers.h"

struct plugin_peer {
  int pidfd;                    /* -1: not known who it is, or it has long ended */
  struct plugin_peer *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;        /* protects the list */
static pthread_cond_t left = PTHREAD_COND_INITIALIZER;
static struct plugin_peer *peers;

static bool
has_any_ended_locked (void)
{
  const struct plugin_peer *peer;

  for (peer = peers; peer != NULL; peer = peer->next) {
    struct pollfd poller = { .fd = peer->pidfd, .events = POLLIN };

    if (poll (&poller, 1, 0) > 0)
      return true;
  }
  return false;
}

int
plugin_peers_join (int64_t pid, int64_t deadline_ms, struct plugin_peer **peer)
{
  struct plugin_peer *out = malloc (sizeof *out);
  bool ended;

  if (out == NULL)
    return -ENOMEM;
  out->pidfd = pid <= 0 ? -1 : pidfd_open ((pid_t) pid, 0);
  pthread_mutex_lock (&lock);
  while ((ended = has_any_ended_locked ()) &&
         wait_until_ms (&left, &lock, deadline_ms))
    ;
  if (!ended) {
    out->next = peers;
    peers = out;
  }
  pthread_mutex_unlock (&lock);
  if (!ended) {
    *peer = out;
    return 0;
  }
  if (out->pidfd >= 0)
    close (out->pidfd);
  free (out);
  return -ETIMEDOUT;
}

void
plugin_peers_leave (struct plugin_peer *peer)
{
  struct plugin_peer **link = &peers;

  if (peer == NULL)
    return;
  pthread_mutex_lock (&lock);
  while (*link != peer)
    link = &(*link)->next;
  *link = peer->next;
  pthread_cond_broadcast (&left);
  pthread_mutex_unlock (&lock);
  if (peer->pidfd >= 0)
    close (peer->pidfd);
  free (peer);
}
