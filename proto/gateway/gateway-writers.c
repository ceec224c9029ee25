/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sockets are asked, and not the connections' threads: they may not have seen yet that
 * a client is gone, or still have its last requests before them. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#include "cleanup.h"
#include "deadline.h"
#include "gateway-writers.h"

struct writers {
  pthread_mutex_t lock;         /* protects all below */
  pthread_cond_t left;          /* somebody has */
  int fds[WRITERS_MAX];
  unsigned count;
};

struct writers *
gateway_writers_create (void)
{
  struct writers *writers = calloc (1, sizeof *writers);

  if (writers == NULL)
    return NULL;
  pthread_mutex_init (&writers->lock, NULL);
  pthread_cond_init (&writers->left, NULL);
  return writers;
}

void
gateway_writers_free (struct writers *writers)
{
  if (writers == NULL)
    return;
  pthread_cond_destroy (&writers->left);
  pthread_mutex_destroy (&writers->lock);
  free (writers);
}

bool
gateway_writers_is_gone (int fd)
{
  struct pollfd poller = { .fd = fd, .events = POLLRDHUP };

  return poll (&poller, 1, 0) > 0;
}

static bool
is_any_gone_locked (const struct writers *writers)
{
  unsigned i;

  for (i = 0; i < writers->count; i++)
    if (gateway_writers_is_gone (writers->fds[i]))
      return true;
  return false;
}

int
gateway_writers_join (struct writers *writers, int fd, int64_t deadline_ms,
                      struct failure *why)
{
  bool gone;
  int r = 0;

  if (writers == NULL)
    return 0;
  pthread_mutex_lock (&writers->lock);
  while ((gone = is_any_gone_locked (writers)) &&
         wait_until_ms (&writers->left, &writers->lock, deadline_ms))
    ;
  if (gone)
    r = failure_set (why, FAILURE_GENERIC, ETIMEDOUT, "what a client has asked "
                     "for that is gone is still being written; try again later");
  else
    writers->fds[writers->count++] = fd;
  pthread_mutex_unlock (&writers->lock);
  return r;
}

void
gateway_writers_leave (struct writers *writers, int fd)
{
  unsigned i = 0;

  if (writers == NULL)
    return;
  pthread_mutex_lock (&writers->lock);
  while (writers->fds[i] != fd)
    i++;
  writers->fds[i] = writers->fds[--writers->count];
  pthread_cond_broadcast (&writers->left);
  pthread_mutex_unlock (&writers->lock);
}
