/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What hangs is a system call of another thread, so nothing here waits for
 * that thread or for what it may hold.  First the stores are given up, then
 * connections are cut, and only then is it logged, which may hang as well. */
#include <config.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "deadline.h"
#include "sink-connections.h"
#include "sink-watch.h"

/* How often to look whether nbdkit is ending, after a write was given up ... */
#define ENDING_POLL_MS 250
/* ... and how long it is given to end by itself. */
#define ENDING_GRACE_MS 500
/* How often to look whether the backup is ending, where there is no limit before. */
#define UNLIMITED_POLL_MS 1000

static struct {
  const struct sink_watch_ops *ops;
  int limit_ms, ending_ms;
  bool started, given_up, rests;
  pthread_t thread;
  pthread_mutex_t lock;         /* protects all below */
  pthread_cond_t changed;
  bool stopping, wants_to_tell;
} watch = {
  .lock = PTHREAD_MUTEX_INITIALIZER,
  .changed = PTHREAD_COND_INITIALIZER,
};

/* Set by a signal's handler, never cleared. */
static volatile sig_atomic_t backup_ends;

void
sink_watch_backup_ends (void)
{
  backup_ends = 1;
}

int
sink_watch_limit (void)
{
  return watch.limit_ms == 0 && backup_ends ? watch.ending_ms : watch.limit_ms;
}

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

/* Returns when to look again. */
static int64_t
look_for_rest (void)
{
  int ms = watch.rests ? -1 : watch.ops->rest ();

  watch.rests = ms < 0;
  return watch.rests ? INT64_MAX : now_ms () + ms;
}

/* Returns when to look again.  A write that is asked for later than this look
 * is late only after the limit from now on. */
static int64_t
look (void)
{
  int64_t now = now_ms (), since;
  int limit_ms = sink_watch_limit ();

  if (watch.given_up) {
    exit_with_nbdkit ();
    return now + ENDING_POLL_MS;
  }
  if (limit_ms == 0)
    return now + UNLIMITED_POLL_MS;
  since = watch.ops->busy_since ();
  if (since == INT64_MAX)
    return now + limit_ms;
  if (now - since < limit_ms)
    return since + limit_ms;
  /* The stores first: who connects again must not wait for them (B1). */
  watch.ops->give_up ();
  if (sink_connections_cut () <= 0)
    nbdkit_debug ("no connection was there to be cut");
  watch.given_up = true;
  watch.ops->tell ();
  return now + ENDING_POLL_MS;
}

/* Until NEXT, or until there is something else to do. */
static void
wait_locked (int64_t next)
{
  while (!watch.stopping && !watch.wants_to_tell &&
         wait_until_ms (&watch.changed, &watch.lock, next))
    ;
}

static void *
watch_run (void *unused)
{
  pthread_mutex_lock (&watch.lock);
  while (!watch.stopping) {
    bool tell = watch.wants_to_tell;
    int64_t next, rest;

    watch.wants_to_tell = false;
    pthread_mutex_unlock (&watch.lock);
    rest = look_for_rest ();
    next = look ();
    next = rest < next ? rest : next;
    if (tell)
      watch.ops->tell ();
    pthread_mutex_lock (&watch.lock);
    wait_locked (next);
  }
  pthread_mutex_unlock (&watch.lock);
  watch.ops->tell ();
  return NULL;
}

int
sink_watch_start (const struct sink_watch_ops *ops, int limit_ms, int ending_ms)
{
  int r;

  watch.ops = ops;
  watch.limit_ms = limit_ms;
  watch.ending_ms = ending_ms;
  r = pthread_create (&watch.thread, NULL, watch_run, NULL);
  watch.started = r == 0;
  return -r;
}

void
sink_watch_tell (void)
{
  pthread_mutex_lock (&watch.lock);
  watch.wants_to_tell = true;
  pthread_cond_signal (&watch.changed);
  pthread_mutex_unlock (&watch.lock);
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
