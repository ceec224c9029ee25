/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Thread model: one watcher thread polls the pidfds of all children and
 * restarts what died.  children_lock protects the list and every field of
 * struct process_child after process_child_start. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "log.h"
#include "process-child-private.h"
#include "process-record.h"
#include "process-self.h"

#define RESTARTS_MAX 20         /* within RESTARTS_WINDOW_MS, then given up */
#define RESTARTS_WINDOW_MS 60000
#define STOP_TIMEOUT_MS 5000
#define KILL_TIMEOUT_MS 1000
#define TRIM_PAUSE_MS 2000
#define STOP_LOOK_MS 200
/* So often for one that a debugger holds, which may be killed at any time. */
#define HELD_LOOK_MS 1000
/* Whoever has the lock keeps it for much less. */
#define WATCHER_LOCK_S 5

static pthread_mutex_t children_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t child_ended = PTHREAD_COND_INITIALIZER;
static GPtrArray *children;     /* borrowed struct process_child */
static pthread_t watcher;
static int wake_fd = -1;
static bool watcher_stops;
static int64_t trim_ms;         /* when memory is given back; 0: need not be */

/* --- the watcher ----------------------------------------------------------- */

static void
child_restart_locked (struct process_child *child)
{
  int64_t now = now_ms ();
  int pause_ms;

  if (child->once) {
    child->status.failed = true;
    /* Nobody will ever accept: who has connected is told so. */
    process_child_close_listener (child);
    return;
  }
  if (now - child->window_start_ms > RESTARTS_WINDOW_MS) {
    child->window_start_ms = now;
    child->window_restarts = 0;
  }
  if (++child->window_restarts > RESTARTS_MAX) {
    child->status.failed = true;
    log_error ("%s ended %d times within a minute and is given up",
               child->role, RESTARTS_MAX);
    return;
  }
  pause_ms = process_child_pause (child->window_restarts);
  if (pause_ms == 0)
    process_child_start_again (child);
  else
    child->retry_ms = now + pause_ms;
}

static void
child_ended_locked (struct process_child *child)
{
  process_child_reap (child);
  if (!child->stopping)
    child_restart_locked (child);
  pthread_cond_broadcast (&child_ended);
  if (child->abandoned) {
    g_ptr_array_remove (children, child);
    process_child_free (child);
  }
}

/* The child with PIDFD may have been stopped and freed since the poll. */
static void
watcher_handle_exit (int pidfd)
{
  guint i;

  pthread_mutex_lock (&children_lock);
  for (i = 0; i < children->len; i++) {
    struct process_child *child = g_ptr_array_index (children, i);

    if (child->process.pidfd != pidfd)
      continue;
    /* The number may be another child's by now: only a dead one is reaped. */
    if (poll (&(struct pollfd) { .fd = pidfd, .events = POLLIN }, 1, 0) > 0)
      child_ended_locked (child);
    break;
  }
  pthread_mutex_unlock (&children_lock);
}

/* What to poll, and until when (-1: for ever). */
static GArray *
watcher_poll_set (int *timeout_ms)
{
  GArray *set = g_array_new (FALSE, TRUE, sizeof (struct pollfd));
  struct pollfd p = { .fd = wake_fd, .events = POLLIN };
  int64_t next = INT64_MAX;
  guint i;

  g_array_append_val (set, p);
  pthread_mutex_lock (&children_lock);
  if (trim_ms != 0)
    next = trim_ms;
  for (i = 0; i < children->len; i++) {
    struct process_child *child = g_ptr_array_index (children, i);

    if (child->process.pidfd >= 0) {
      p.fd = child->process.pidfd;
      g_array_append_val (set, p);
      next = MIN (next, now_ms () + (child->patience.go_on_ms != 0 ||
                                     child->patience.kill_ms != 0 ||
                                     child->stopping ? STOP_LOOK_MS
                                                     : HELD_LOOK_MS));
    }
    else if (child->retry_ms != 0 && !child->stopping)
      next = MIN (next, child->retry_ms);
  }
  pthread_mutex_unlock (&children_lock);
  *timeout_ms = next == INT64_MAX ? -1 : ms_left (next);
  return set;
}

/* Also for one that a debugger holds, whose end the kernel does not tell; and what had
 * to wait: for want of something, or because it dies so often. */
static void
watcher_look (void)
{
  guint i;

  pthread_mutex_lock (&children_lock);
  for (i = children->len; i-- > 0;) {
    struct process_child *child = g_ptr_array_index (children, i);

    if (child->process.pid != 0 && process_is_dead (child->process.pid)) {
      child_ended_locked (child);
      continue;
    }
    process_child_look_stopped (child);
    if (child->retry_ms != 0 && !child->stopping &&
        ms_left (child->retry_ms) == 0)
      process_child_start_again (child);
  }
  pthread_mutex_unlock (&children_lock);
}

static void
watcher_trim (void)
{
  bool due;

  pthread_mutex_lock (&children_lock);
  due = trim_ms != 0 && ms_left (trim_ms) == 0;
  if (due)
    trim_ms = 0;
  pthread_mutex_unlock (&children_lock);
  if (due)
    process_self_trim ();
}

static void *
watcher_run (void *unused)
{
  bool stops = false;

  while (!stops) {
    int timeout_ms;
    g_autoptr (GArray) set = watcher_poll_set (&timeout_ms);
    struct pollfd *p = (struct pollfd *) (void *) set->data;
    uint64_t count;
    guint i;

    if (poll (p, set->len, timeout_ms) < 0 && errno != EINTR)
      break;
    if ((p[0].revents & POLLIN) != 0 &&
        read (wake_fd, &count, sizeof count) < 0)
      log_debug ("watcher: %s", g_strerror (errno));
    for (i = 1; i < set->len; i++)
      if (p[i].revents != 0)
        watcher_handle_exit (p[i].fd);
    watcher_look ();
    watcher_trim ();
    process_reap ();
    pthread_mutex_lock (&children_lock);
    stops = watcher_stops;
    pthread_mutex_unlock (&children_lock);
  }
  return NULL;
}

static void
watcher_wake (void)
{
  const uint64_t one = 1;

  if (write (wake_fd, &one, sizeof one) < 0)
    log_debug ("watcher: %s", g_strerror (errno));
}

bool
process_child_watcher_lives (void)
{
  struct timespec until;
  bool lives;

  clock_gettime (CLOCK_MONOTONIC, &until);
  until.tv_sec += WATCHER_LOCK_S;
  lives = pthread_mutex_clocklock (&children_lock, CLOCK_MONOTONIC,
                                   &until) == 0;
  if (lives)
    pthread_mutex_unlock (&children_lock);
  return lives;
}

void
process_child_trim_soon (void)
{
  pthread_mutex_lock (&children_lock);
  if (trim_ms == 0)
    trim_ms = now_ms () + TRIM_PAUSE_MS;
  pthread_mutex_unlock (&children_lock);
  watcher_wake ();
}

int
process_child_watcher_start (void)
{
  int r;

  wake_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd < 0)
    return -errno;
  children = g_ptr_array_new ();
  watcher_stops = false;
  r = pthread_create (&watcher, NULL, watcher_run, NULL);
  return r == 0 ? 0 : -r;
}

void
process_child_watcher_stop (void)
{
  pthread_mutex_lock (&children_lock);
  watcher_stops = true;
  pthread_mutex_unlock (&children_lock);
  watcher_wake ();
  pthread_join (watcher, NULL);
  close (wake_fd);
  wake_fd = -1;
  for (guint i = 0; i < children->len; i++) {
    struct process_child *child = g_ptr_array_index (children, i);

    if (child->abandoned)
      process_child_free (child);
  }
  g_ptr_array_unref (children);
  children = NULL;
}

/* --- the calls ---------------------------------------------------------------- */

static struct process_child *
child_add (struct process_child *child)
{
  pthread_mutex_lock (&children_lock);
  g_ptr_array_add (children, child);
  pthread_mutex_unlock (&children_lock);
  watcher_wake ();
  return child;
}

static void
child_forget (const struct process_child *child)
{
  if (child->record != NULL)
    (void) unlink (child->record);
}

int
process_child_start (const struct process_child_spec *spec,
                     struct process_child **ret, struct failure *why)
{
  struct process_child *child = process_child_make (spec);
  int r = process_child_spawn (child);

  if (r < 0) {
    process_child_start_failure (child, r, why);
    child_forget (child);
    process_child_free (child);
    return r;
  }
  *ret = child_add (child);
  return 0;
}

int
process_child_adopt (const struct process_child_spec *spec,
                     const char *const *marks, struct process_child **ret,
                     struct failure *why)
{
  struct process_child *child = process_child_make (spec);
  int r = process_child_find (child, marks);

  if (r == 0)
    log_info ("%s (pid %d) is taken over", child->role,
              (int) child->process.pid);
  else
    r = process_child_start_dead (child, why);
  if (r < 0)
    process_child_free (child);
  else
    *ret = child_add (child);
  return r;
}

int
process_child_descriptor (struct process_child *child, int number)
{
  int fd;

  pthread_mutex_lock (&children_lock);
  fd = child->process.pidfd < 0 ? -ESRCH
       : pidfd_getfd (child->process.pidfd, number, 0);
  if (fd == -1)
    fd = -errno;
  pthread_mutex_unlock (&children_lock);
  return fd;
}

void
process_child_signal (struct process_child *child, int number)
{
  if (child == NULL)
    return;
  pthread_mutex_lock (&children_lock);
  if (child->process.pidfd >= 0)
    (void) pidfd_send_signal (child->process.pidfd, number, NULL, 0);
  pthread_mutex_unlock (&children_lock);
}

void
process_child_limit_stop (struct process_child *child,
                          struct process_child_patience patience)
{
  if (child == NULL)
    return;
  pthread_mutex_lock (&children_lock);
  child->patience = patience;
  pthread_mutex_unlock (&children_lock);
  watcher_wake ();
}

static bool
child_wait_end_locked (struct process_child *child, int64_t deadline)
{
  struct timespec until = { .tv_sec = deadline / 1000,
                            .tv_nsec = deadline % 1000 * 1000000 };

  while (child->process.pid != 0)
    if (pthread_cond_clockwait (&child_ended, &children_lock, CLOCK_MONOTONIC,
                                &until) != 0)
      break;
  return child->process.pid == 0;
}

/* True: it has ended, by DEADLINE. */
static bool
child_tell_end_locked (struct process_child *child, int64_t deadline)
{
  child->stopping = true;
  if (child->process.pid == 0)
    return true;
  watcher_wake ();
  pidfd_send_signal (child->process.pidfd, SIGTERM, NULL, 0);
  /* One that is stopped does not see the first; QEMU is not free meanwhile. */
  pidfd_send_signal (child->process.pidfd, SIGCONT, NULL, 0);
  return child_wait_end_locked (child, deadline);
}

int
process_child_end (struct process_child *child, int64_t deadline,
                   struct process_end *end)
{
  bool ended;

  pthread_mutex_lock (&children_lock);
  ended = child_tell_end_locked (child, deadline);
  if (ended)
    *end = child->status.end;
  pthread_mutex_unlock (&children_lock);
  return ended ? 0 : -ETIMEDOUT;
}

static bool
child_end_locked (struct process_child *child)
{
  if (child_tell_end_locked (child, now_ms () + STOP_TIMEOUT_MS))
    return true;
  log_warning ("%s (pid %d) does not end and is killed", child->role,
               (int) child->process.pid);
  pidfd_send_signal (child->process.pidfd, SIGKILL, NULL, 0);
  return child_wait_end_locked (child, now_ms () + KILL_TIMEOUT_MS);
}

void
process_child_stop (struct process_child *child)
{
  bool ended;

  if (child == NULL)
    return;
  pthread_mutex_lock (&children_lock);
  ended = child_end_locked (child);
  /* Also of one that hangs: nobody is to take that over. */
  child_forget (child);
  if (ended)
    g_ptr_array_remove (children, child);
  else {
    log_warning ("%s (pid %d) hangs in the kernel and is left behind",
                 child->role, (int) child->process.pid);
    child->abandoned = true;
    process_child_close_listener (child);
  }
  pthread_mutex_unlock (&children_lock);
  if (ended)
    process_child_free (child);
}

void
process_child_leave (struct process_child *child)
{
  if (child == NULL)
    return;
  pthread_mutex_lock (&children_lock);
  child->stopping = child->abandoned = true;
  process_child_close_listener (child);
  pthread_mutex_unlock (&children_lock);
}

struct process_child_status
process_child_status (struct process_child *child)
{
  struct process_child_status status = { .pid = 0 };

  if (child == NULL)
    return status;
  pthread_mutex_lock (&children_lock);
  status = child->status;
  status.pid = child->process.pid;
  pthread_mutex_unlock (&children_lock);
  return status;
}
