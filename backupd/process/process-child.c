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
#include "process-child.h"
#include "process-self.h"
#include "process-spawn.h"

#define RESTARTS_MAX 20         /* within RESTARTS_WINDOW_MS, then given up */
#define RESTARTS_WINDOW_MS 60000
/* These are made at once, the next with pauses: what fails may be mended, as
 * where a package is being upgraded.  Together less than the 30 s after which
 * guests give up a disk's request. */
#define RESTARTS_AT_ONCE 3
#define RESTART_PAUSE_FIRST_MS 50
#define RESTART_PAUSE_MOST_MS 1000
#define STOP_TIMEOUT_MS 5000
#define KILL_TIMEOUT_MS 1000
/* Between two tries where descriptors, processes or memory are short. */
#define SHORT_FIRST_MS 50
#define SHORT_MOST_MS 2000
#define TRIM_PAUSE_MS 2000

struct process_child {
  char *role;
  char **argv, **variables;
  char *oom_score_adj;
  bool background;
  int *fds;                     /* from 0 on; 3 is the listening socket, ours */
  size_t n_fds;
  struct process process;       /* pid 0: not running */
  struct process_child_status status;   /* but its pid, which is above */
  int64_t window_start_ms;
  unsigned window_restarts;
  int64_t retry_ms;             /* when to start it again; 0: it need not be */
  int retry_pause_ms;           /* while something is short; 0: nothing is */
  bool stopping;
  bool abandoned;               /* nobody else knows it any more */
};

#define LISTEN_FD 3

static pthread_mutex_t children_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t child_ended = PTHREAD_COND_INITIALIZER;
static GPtrArray *children;     /* borrowed struct process_child */
static pthread_t watcher;
static int wake_fd = -1;
static bool watcher_stops;
static int64_t trim_ms;         /* when memory is given back; 0: need not be */

/* --- starting ------------------------------------------------------------- */

static struct process_child *
child_create (const struct process_child_spec *spec)
{
  struct process_child *child = g_new0 (struct process_child, 1);
  const int first[] = { PROCESS_NULL, STDERR_FILENO, STDERR_FILENO,
                        spec->listen_fd };

  child->role = g_strdup (spec->role);
  child->argv = g_strdupv ((char **) spec->argv);
  child->variables = g_strdupv ((char **) spec->variables);
  child->oom_score_adj = g_strdup (spec->oom_score_adj);
  child->background = spec->background;
  child->n_fds = G_N_ELEMENTS (first) + spec->n_more_fds;
  child->fds = g_new (int, child->n_fds);
  memcpy (child->fds, first, sizeof first);
  if (spec->n_more_fds > 0)
    memcpy (child->fds + G_N_ELEMENTS (first), spec->more_fds,
            spec->n_more_fds * sizeof (int));
  child->process.pidfd = -1;
  child->window_start_ms = now_ms ();
  return child;
}

static void
child_close_listener (struct process_child *child)
{
  if (child->fds[LISTEN_FD] >= 0)
    close (child->fds[LISTEN_FD]);
  child->fds[LISTEN_FD] = -1;
}

static void
child_free (struct process_child *child)
{
  child_close_listener (child);
  g_strfreev (child->argv);
  g_strfreev (child->variables);
  g_free (child->oom_score_adj);
  g_free (child->fds);
  g_free (child->role);
  g_free (child);
}

/* 0 also where it is for the watcher to try again. */
static int
child_spawn (struct process_child *child)
{
  const struct process_spec spec = {
    .program = child->argv[0], .argv = child->argv,
    .variables = child->variables, .descriptors = child->fds,
    .n_descriptors = child->n_fds, .n_listening = 1,
    .oom_score_adj = child->oom_score_adj, .background = child->background
  };
  int r = process_spawn (&spec, &child->process);

  child->status.started_ms = now_ms ();
  if (process_spawn_is_short (r)) {
    if (child->retry_pause_ms == 0) {
      log_warning ("%s cannot be started now and will be later: %s",
                   child->role, g_strerror (-r));
      child->retry_pause_ms = SHORT_FIRST_MS;
    }
    child->retry_ms = child->status.started_ms + child->retry_pause_ms;
    child->retry_pause_ms = MIN (2 * child->retry_pause_ms, SHORT_MOST_MS);
    return 0;
  }
  child->retry_ms = 0;
  child->retry_pause_ms = 0;
  return r;
}

/* --- the watcher ----------------------------------------------------------- */

static void
child_reap_locked (struct process_child *child)
{
  struct process_end end = { .number = 0 };
  pid_t pid = child->process.pid;
  int r = process_wait (&child->process, 0, &end);

  if (r < 0)
    log_warning ("%s (pid %d): %s", child->role, (int) pid, g_strerror (-r));
  else if (!child->stopping)
    log_warning ("%s (pid %d) ended with %s %d", child->role, (int) pid,
                 end.by_signal ? "signal" : "status", end.number);
}

static void
child_start_again_locked (struct process_child *child)
{
  int r = child_spawn (child);

  if (r < 0) {
    child->status.failed = true;
    log_error ("%s cannot be started again: %s", child->role, g_strerror (-r));
  }
  else if (child->retry_ms == 0) {
    child->status.restarts++;
    log_info ("%s was started again (pid %d)", child->role,
              (int) child->process.pid);
  }
}

static int
restart_pause (unsigned n)
{
  int pause = RESTART_PAUSE_FIRST_MS;

  while (--n > RESTARTS_AT_ONCE && pause < RESTART_PAUSE_MOST_MS)
    pause *= 2;
  return MIN (pause, RESTART_PAUSE_MOST_MS);
}

static void
child_restart_locked (struct process_child *child)
{
  int64_t now = now_ms ();

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
  if (child->window_restarts <= RESTARTS_AT_ONCE)
    child_start_again_locked (child);
  else
    child->retry_ms = now + restart_pause (child->window_restarts);
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
    if (poll (&(struct pollfd) { .fd = pidfd, .events = POLLIN }, 1, 0) > 0) {
      child_reap_locked (child);
      if (!child->stopping)
        child_restart_locked (child);
      pthread_cond_broadcast (&child_ended);
      if (child->abandoned) {
        g_ptr_array_remove (children, child);
        child_free (child);
      }
    }
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
    }
    else if (child->retry_ms != 0 && !child->stopping)
      next = MIN (next, child->retry_ms);
  }
  pthread_mutex_unlock (&children_lock);
  *timeout_ms = next == INT64_MAX ? -1 : ms_left (next);
  return set;
}

/* What had to wait: for want of something, or because it dies so often. */
static void
watcher_try_again (void)
{
  guint i;

  pthread_mutex_lock (&children_lock);
  for (i = 0; i < children->len; i++) {
    struct process_child *child = g_ptr_array_index (children, i);

    if (child->retry_ms != 0 && !child->stopping &&
        ms_left (child->retry_ms) == 0)
      child_start_again_locked (child);
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
    watcher_try_again ();
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
      child_free (child);
  }
  g_ptr_array_unref (children);
  children = NULL;
}

/* --- the calls ---------------------------------------------------------------- */

int
process_child_start (const struct process_child_spec *spec,
                     struct process_child **ret, struct failure *why)
{
  struct process_child *child = child_create (spec);
  int r = child_spawn (child);

  if (r < 0) {
    failure_set (why, FAILURE_GENERIC, -r, "the %s process (%s) cannot be "
                 "started: %s", child->role, child->argv[0], g_strerror (-r));
    child_free (child);
    return r;
  }
  pthread_mutex_lock (&children_lock);
  g_ptr_array_add (children, child);
  pthread_mutex_unlock (&children_lock);
  watcher_wake ();
  *ret = child;
  return 0;
}

static bool
child_wait_end_locked (struct process_child *child, int timeout_ms)
{
  int64_t deadline = now_ms () + timeout_ms;
  struct timespec until = { .tv_sec = deadline / 1000,
                            .tv_nsec = deadline % 1000 * 1000000 };

  while (child->process.pid != 0)
    if (pthread_cond_clockwait (&child_ended, &children_lock, CLOCK_MONOTONIC,
                                &until) != 0)
      break;
  return child->process.pid == 0;
}

static bool
child_end_locked (struct process_child *child)
{
  child->stopping = true;
  if (child->process.pid == 0)
    return true;
  pidfd_send_signal (child->process.pidfd, SIGTERM, NULL, 0);
  if (child_wait_end_locked (child, STOP_TIMEOUT_MS))
    return true;
  log_warning ("%s (pid %d) does not end and is killed", child->role,
               (int) child->process.pid);
  pidfd_send_signal (child->process.pidfd, SIGKILL, NULL, 0);
  return child_wait_end_locked (child, KILL_TIMEOUT_MS);
}

void
process_child_stop (struct process_child *child)
{
  bool ended;

  if (child == NULL)
    return;
  pthread_mutex_lock (&children_lock);
  ended = child_end_locked (child);
  if (ended)
    g_ptr_array_remove (children, child);
  else {
    log_warning ("%s (pid %d) hangs in the kernel and is left behind",
                 child->role, (int) child->process.pid);
    child->abandoned = true;
    child_close_listener (child);
  }
  pthread_mutex_unlock (&children_lock);
  if (ended)
    child_free (child);
}

void
process_child_leave (struct process_child *child)
{
  if (child == NULL)
    return;
  pthread_mutex_lock (&children_lock);
  child->stopping = child->abandoned = true;
  child_close_listener (child);
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
