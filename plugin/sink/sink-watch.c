/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "connections.h"
#include "deadline.h"
#include "sink-watch.h"

/* How often to look whether nbdkit is ending, after a write was given up ... */
#define ENDING_POLL_MS 250
/* ... and how long it is given to end by itself. */
#define ENDING_GRACE_MS 500

static struct {
  const struct sink_watch_ops *ops;
  int limit_ms;
  bool started, given_up;
  pthread_t thread;
  pthread_mutex_t lock;         /* protects stopping */
  pthread_cond_t changed;
  bool stopping;
} watch = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Threads that hang in the kernel keep nbdkit from ending, and so would the
 * daemon wait that wants to start a new sink or to end the backup. */
static void
exit_with_nbdkit (void)
{
  if (nbdkit_nanosleep (0, 1000000) == 0 || errno != ESHUTDOWN)
    return;
  usleep (ENDING_GRACE_MS * 1000);
  _exit (0);
}

/* Returns when to look again.  A write that is asked for later than this look
 * is late only after the limit from now on. */
static int64_t
look (void)
{
  int64_t now = now_ms (), since;

  if (watch.given_up) {
    exit_with_nbdkit ();
    return now + ENDING_POLL_MS;
  }
  since = watch.ops->busy_since ();
  if (since == INT64_MAX)
    return now + watch.limit_ms;
  if (now - since < watch.limit_ms)
    return since + watch.limit_ms;
  /* The stores first: who connects again must not wait for them (B1). */
  watch.ops->give_up ();
  if (connections_cut () <= 0)
    nbdkit_debug ("no connection was there to be cut");
  watch.given_up = true;
  return now + ENDING_POLL_MS;
}

static void *
watch_run (void *unused)
{
  pthread_mutex_lock (&watch.lock);
  while (!watch.stopping) {
    int64_t next;
    struct timespec until;

    pthread_mutex_unlock (&watch.lock);
    next = look ();
    until = (struct timespec) { next / 1000, next % 1000 * 1000000 };
    pthread_mutex_lock (&watch.lock);
    while (!watch.stopping && now_ms () < next)
      if (pthread_cond_timedwait (&watch.changed, &watch.lock, &until) != 0)
        break;
  }
  pthread_mutex_unlock (&watch.lock);
  return NULL;
}

int
sink_watch_start (const struct sink_watch_ops *ops, int limit_ms)
{
  pthread_condattr_t attributes;
  int r;

  watch.ops = ops;
  watch.limit_ms = limit_ms;
  pthread_condattr_init (&attributes);
  pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
  pthread_cond_init (&watch.changed, &attributes);
  pthread_condattr_destroy (&attributes);
  r = pthread_create (&watch.thread, NULL, watch_run, NULL);
  watch.started = r == 0;
  return -r;
}

void
sink_watch_stop (void)
{
  if (!watch.started)
    return;
  pthread_mutex_lock (&watch.lock);
  watch.stopping = true;
  pthread_cond_signal (&watch.changed);
  pthread_mutex_unlock (&watch.lock);
  pthread_join (watch.thread, NULL);
  watch.started = false;
}
