/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Thread model: one watcher thread polls the pidfds of all children and
 * restarts what died.  children_lock protects the list and every field of
 * struct child after child_start; fork runs under it, so that a child is in the
 * list before its death can be seen. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

#include "child.h"
#include "deadline.h"
#include "log.h"

#define RESTARTS_MAX 20         /* within RESTARTS_WINDOW_MS, then given up */
#define RESTARTS_WINDOW_MS 60000
#define STOP_TIMEOUT_MS 5000
#define KILL_TIMEOUT_MS 1000

struct child {
  char *role;
  char **argv;
  int listen_fd;
  pid_t pid;                    /* 0: not running */
  int pidfd;
  unsigned restarts;
  int64_t started_ms;
  int64_t window_start_ms;
  unsigned window_restarts;
  bool stopping, failed;
  bool abandoned;               /* nobody else knows it any more */
};

static pthread_mutex_t children_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t child_ended = PTHREAD_COND_INITIALIZER;
static GPtrArray *children;     /* borrowed struct child */
static pthread_t watcher;
static int wake_fd = -1;
static bool watcher_stops;

/* --- in the forked child: async-signal-safe calls only ------------------- */

static void
write_decimal (char *p, size_t size, long value)
{
  char digits[24];
  size_t n = 0;

  do {
    digits[n++] = (char) ('0' + value % 10);
    value /= 10;
  } while (value > 0);
  while (n > 0 && size-- > 1)
    *p++ = digits[--n];
  *p = '\0';
}

static void
child_exec (const struct child *child, char **environment, char *listen_pid)
{
  static const int reset[] = { SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGCHLD,
                               SIGUSR1, SIGUSR2, SIGQUIT };
  sigset_t none;
  size_t i;

  for (i = 0; i < sizeof reset / sizeof reset[0]; i++)
    signal (reset[i], SIG_DFL);
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  /* A group of its own: Ctrl-C at a terminal is the daemon's to act on. */
  setpgid (0, 0);
  if (child->listen_fd == 3 ? fcntl (3, F_SETFD, 0) < 0
                            : dup2 (child->listen_fd, 3) < 0)
    _exit (127);
  write_decimal (listen_pid, 24, (long) getpid ());
  execvpe (child->argv[0], child->argv, environment);
  _exit (127);
}

/* --- starting ------------------------------------------------------------- */

/* Our environment with the variables of socket activation; LISTEN_PID's value
 * is filled in after the fork, at *PID_TEXT. */
static char **
child_environment (const struct child *child, char **pid_text)
{
  char **environment = g_get_environ ();
  const char *preload = g_getenv ("PULLBACK_PLUGIN_PRELOAD");
  guint n;

  environment = g_environ_setenv (environment, "LISTEN_FDS", "1", TRUE);
  environment = g_environ_unsetenv (environment, "LISTEN_FDNAMES");
  environment = g_environ_unsetenv (environment, "LISTEN_PID");
  /* A plugin built with a sanitizer needs its run time before nbdkit's. */
  if (preload != NULL && strcmp (child->role, "gateway") != 0)
    environment = g_environ_setenv (environment, "LD_PRELOAD", preload, TRUE);
  n = g_strv_length (environment);
  environment = g_renew (char *, environment, n + 2);
  environment[n] = g_strdup ("LISTEN_PID=000000000000000000000000");
  environment[n + 1] = NULL;
  *pid_text = environment[n] + strlen ("LISTEN_PID=");
  return environment;
}

static int
child_fork_locked (struct child *child)
{
  char *pid_text;
  g_auto (GStrv) environment = child_environment (child, &pid_text);
  pid_t pid = fork ();

  if (pid < 0)
    return -errno;
  if (pid == 0)
    child_exec (child, environment, pid_text);
  child->pidfd = pidfd_open (pid, 0);
  if (child->pidfd < 0) {
    int error = errno;

    kill (pid, SIGKILL);
    waitpid (pid, NULL, 0);
    return -error;
  }
  child->pid = pid;
  child->started_ms = now_ms ();
  return 0;
}

static void
child_free (struct child *child)
{
  if (child->listen_fd >= 0)
    close (child->listen_fd);
  g_strfreev (child->argv);
  g_free (child->role);
  g_free (child);
}

/* --- the watcher ----------------------------------------------------------- */

static void
child_reap_locked (struct child *child)
{
  siginfo_t info = { 0 };

  if (waitid (P_PIDFD, (id_t) child->pidfd, &info, WEXITED) < 0)
    log_warning ("%s (pid %d): %s", child->role, (int) child->pid,
                 g_strerror (errno));
  close (child->pidfd);
  child->pidfd = -1;
  if (!child->stopping)
    log_warning ("%s (pid %d) ended with %s %d", child->role, (int) child->pid,
                 info.si_code == CLD_EXITED ? "status" : "signal",
                 info.si_status);
  child->pid = 0;
}

static void
child_restart_locked (struct child *child)
{
  int64_t now = now_ms ();
  int r;

  if (now - child->window_start_ms > RESTARTS_WINDOW_MS) {
    child->window_start_ms = now;
    child->window_restarts = 0;
  }
  if (++child->window_restarts > RESTARTS_MAX) {
    child->failed = true;
    log_error ("%s ended %d times within a minute and is given up",
               child->role, RESTARTS_MAX);
    return;
  }
  r = child_fork_locked (child);
  if (r < 0) {
    child->failed = true;
    log_error ("%s cannot be started again: %s", child->role, g_strerror (-r));
    return;
  }
  child->restarts++;
  log_info ("%s was started again (pid %d)", child->role, (int) child->pid);
}

/* The child with PIDFD may have been stopped and freed since the poll. */
static void
watcher_handle_exit (int pidfd)
{
  guint i;

  pthread_mutex_lock (&children_lock);
  for (i = 0; i < children->len; i++) {
    struct child *child = g_ptr_array_index (children, i);

    if (child->pidfd != pidfd)
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

static GArray *
watcher_poll_set (void)
{
  GArray *set = g_array_new (FALSE, TRUE, sizeof (struct pollfd));
  struct pollfd p = { .fd = wake_fd, .events = POLLIN };
  guint i;

  g_array_append_val (set, p);
  pthread_mutex_lock (&children_lock);
  for (i = 0; i < children->len; i++) {
    struct child *child = g_ptr_array_index (children, i);

    if (child->pidfd >= 0) {
      p.fd = child->pidfd;
      g_array_append_val (set, p);
    }
  }
  pthread_mutex_unlock (&children_lock);
  return set;
}

static void *
watcher_run (void *unused)
{
  bool stops = false;

  while (!stops) {
    g_autoptr (GArray) set = watcher_poll_set ();
    struct pollfd *p = (struct pollfd *) (void *) set->data;
    uint64_t count;
    guint i;

    if (poll (p, set->len, -1) < 0 && errno != EINTR)
      break;
    if ((p[0].revents & POLLIN) != 0 &&
        read (wake_fd, &count, sizeof count) < 0)
      log_debug ("watcher: %s", g_strerror (errno));
    for (i = 1; i < set->len; i++)
      if (p[i].revents != 0)
        watcher_handle_exit (p[i].fd);
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

int
child_watcher_start (void)
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
child_watcher_stop (void)
{
  pthread_mutex_lock (&children_lock);
  watcher_stops = true;
  pthread_mutex_unlock (&children_lock);
  watcher_wake ();
  pthread_join (watcher, NULL);
  close (wake_fd);
  wake_fd = -1;
  for (guint i = 0; i < children->len; i++) {
    struct child *child = g_ptr_array_index (children, i);

    if (child->abandoned)
      child_free (child);
  }
  g_ptr_array_unref (children);
  children = NULL;
}

/* --- the calls ---------------------------------------------------------------- */

int
child_start (const char *role, char *const argv[], int listen_fd,
             struct child **ret, struct failure *why)
{
  struct child *child = g_new0 (struct child, 1);
  int r;

  child->role = g_strdup (role);
  child->argv = g_strdupv ((char **) argv);
  child->listen_fd = listen_fd;
  child->pidfd = -1;
  child->window_start_ms = now_ms ();

  pthread_mutex_lock (&children_lock);
  r = child_fork_locked (child);
  if (r == 0)
    g_ptr_array_add (children, child);
  pthread_mutex_unlock (&children_lock);
  if (r < 0) {
    failure_set (why, FAILURE_GENERIC, -r, "the %s process (%s) cannot be "
                 "started: %s", role, argv[0], g_strerror (-r));
    child_free (child);
    return r;
  }
  watcher_wake ();
  *ret = child;
  return 0;
}

static bool
child_wait_end_locked (struct child *child, int timeout_ms)
{
  struct timespec until;

  clock_gettime (CLOCK_REALTIME, &until);
  until.tv_sec += timeout_ms / 1000;
  while (child->pid != 0)
    if (pthread_cond_timedwait (&child_ended, &children_lock, &until) != 0)
      break;
  return child->pid == 0;
}

void
child_stop (struct child *child)
{
  if (child == NULL)
    return;
  pthread_mutex_lock (&children_lock);
  child->stopping = true;
  if (child->pid != 0)
    pidfd_send_signal (child->pidfd, SIGTERM, NULL, 0);
  if (!child_wait_end_locked (child, STOP_TIMEOUT_MS)) {
    log_warning ("%s (pid %d) does not end and is killed", child->role,
                 (int) child->pid);
    pidfd_send_signal (child->pidfd, SIGKILL, NULL, 0);
    if (!child_wait_end_locked (child, KILL_TIMEOUT_MS)) {
      log_warning ("%s (pid %d) hangs in the kernel and is left behind",
                   child->role, (int) child->pid);
      child->abandoned = true;
      close (child->listen_fd);
      child->listen_fd = -1;
      pthread_mutex_unlock (&children_lock);
      return;
    }
  }
  if (child->pidfd >= 0)
    close (child->pidfd);
  child->pidfd = -1;
  g_ptr_array_remove (children, child);
  pthread_mutex_unlock (&children_lock);
  child_free (child);
}

pid_t
child_pid (struct child *child)
{
  pid_t pid;

  pthread_mutex_lock (&children_lock);
  pid = child->pid;
  pthread_mutex_unlock (&children_lock);
  return pid;
}

unsigned
child_restarts (struct child *child)
{
  unsigned restarts;

  pthread_mutex_lock (&children_lock);
  restarts = child->restarts;
  pthread_mutex_unlock (&children_lock);
  return restarts;
}

int64_t
child_started_ms (struct child *child)
{
  int64_t started;

  pthread_mutex_lock (&children_lock);
  started = child->started_ms;
  pthread_mutex_unlock (&children_lock);
  return started;
}

bool
child_failed (struct child *child)
{
  bool failed;

  pthread_mutex_lock (&children_lock);
  failed = child->failed;
  pthread_mutex_unlock (&children_lock);
  return failed;
}
