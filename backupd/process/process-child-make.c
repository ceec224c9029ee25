/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A child's listening socket is ours as well as its own, so that who connects
 * while it is started again waits.  Of one that another daemon has started we
 * get it from the child.  Where we may not, or where both died, there is
 * none: then who connects is refused until the next start, which listens anew
 * at the same place. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "log.h"
#include "process-child-private.h"
#include "process-record.h"
#include "process-spawn.h"
#include "systemd.h"

/* Between two tries where descriptors, processes or memory are short. */
#define SHORT_FIRST_MS 50
#define SHORT_MOST_MS 2000
#define END_MS 1000
/* These are made at once, the next with pauses: what fails may be mended, as
 * where a package is being upgraded.  Together less than the 30 s after which
 * guests give up a disk's request. */
#define RESTARTS_AT_ONCE 3
#define RESTART_PAUSE_FIRST_MS 50
#define RESTART_PAUSE_MOST_MS 1000

struct process_child *
process_child_make (const struct process_child_spec *spec)
{
  struct process_child *child = g_new0 (struct process_child, 1);
  const int first[] = { PROCESS_NULL, STDERR_FILENO, STDERR_FILENO,
                        spec->listen_fd };

  child->role = g_strdup (spec->role);
  child->about = log_subject ();
  child->argv = g_strdupv ((char **) spec->argv);
  child->variables = g_strdupv ((char **) spec->variables);
  child->oom_score_adj = g_strdup (spec->oom_score_adj);
  child->background = spec->background;
  child->once = spec->once;
  child->listens = spec->listen_fd >= 0 || spec->place.socket != NULL ||
                   spec->place.tcp != NULL;
  child->record = g_strdup (spec->record);
  child->patience = spec->patience;
  child->place = spec->place;
  child->place.socket = g_strdup (spec->place.socket);
  child->place.label = g_strdup (spec->place.label);
  child->place.tcp = g_strdup (spec->place.tcp);
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

void
process_child_close_listener (struct process_child *child)
{
  if (child->fds[PROCESS_CHILD_LISTENER] >= 0)
    close (child->fds[PROCESS_CHILD_LISTENER]);
  child->fds[PROCESS_CHILD_LISTENER] = -1;
}

void
process_child_free (struct process_child *child)
{
  process_child_close_listener (child);
  if (child->process.pidfd >= 0)
    close (child->process.pidfd);
  g_strfreev (child->argv);
  g_strfreev (child->variables);
  g_free (child->oom_score_adj);
  g_free (child->record);
  g_free ((char *) child->place.socket);
  g_free ((char *) child->place.label);
  g_free ((char *) child->place.tcp);
  g_free (child->fds);
  g_free (child->role);
  g_free (child);
}

/* --- starting --------------------------------------------------------- */

/* A child that cannot be found again is still a child. */
static void
note (const struct process_child *child)
{
  int r = child->record == NULL ? 0
          : process_record_write (child->record, child->process.pid,
                                  child->status.restarts);

  if (r < 0)
    log_warning ("cannot write %s: %s", child->record, g_strerror (-r));
}

static int
listen_anew (struct process_child *child)
{
  int *fd = &child->fds[PROCESS_CHILD_LISTENER];
  struct failure why = { .error = 0 };
  int r;

  if (*fd >= 0 || !child->listens)
    return 0;
  r = process_listen (&child->place, fd, &why);
  if (r < 0)
    log_error ("%s: %s", child->role, why.text);
  return r;
}

/* In some time again. */
static void
put_off (struct process_child *child, int r)
{
  if (child->retry_pause_ms == 0) {
    log_warning ("%s cannot be started now and will be later: %s",
                 child->role, g_strerror (-r));
    child->retry_pause_ms = SHORT_FIRST_MS;
  }
  child->retry_ms = child->status.started_ms + child->retry_pause_ms;
  child->retry_pause_ms = MIN (2 * child->retry_pause_ms, SHORT_MOST_MS);
}

int
process_child_spawn (struct process_child *child)
{
  const struct process_spec spec = {
    .program = child->argv[0], .argv = child->argv,
    .variables = child->variables, .descriptors = child->fds,
    .n_descriptors = child->n_fds, .n_listening = child->listens,
    .oom_score_adj = child->oom_score_adj, .background = child->background
  };
  int r = listen_anew (child);

  /* Both times, so that there is none that nobody knows of. */
  note (child);
  if (r == 0)
    r = process_spawn (&spec, &child->process);
  note (child);
  child->status.started_ms = now_ms ();
  if (process_spawn_is_short (r)) {
    put_off (child, r);
    return 0;
  }
  child->retry_ms = 0;
  child->retry_pause_ms = 0;
  if (r == 0)
    systemd_scope (child->process.pid, child->role);
  return r;
}

int
process_child_start_failure (const struct process_child *child, int r,
                             struct failure *why)
{
  return failure_set (why, FAILURE_GENERIC, -r, "the %s process (%s) cannot be "
                      "started: %s", child->role, child->argv[0],
                      g_strerror (-r));
}

/* --- one that dies -------------------------------------------------------- */

int
process_child_pause (unsigned n)
{
  int pause = RESTART_PAUSE_FIRST_MS;

  if (n <= RESTARTS_AT_ONCE)
    return 0;
  while (--n > RESTARTS_AT_ONCE && pause < RESTART_PAUSE_MOST_MS)
    pause *= 2;
  return MIN (pause, RESTART_PAUSE_MOST_MS);
}

void
process_child_reap (struct process_child *child)
{
  struct process_end end = { .unknown = true };
  pid_t pid = child->process.pid;
  int r = process_wait (&child->process, 0, &end);

  child->status.end = end;
  log_set_subject (&child->about);
  if (r < 0)
    log_warning ("%s (pid %d): %s", child->role, (int) pid, g_strerror (-r));
  else if (child->once && !end.unknown && !end.by_signal && end.number == 0)
    log_info ("%s (pid %d) has done its work", child->role, (int) pid);
  else if (!child->stopping && end.unknown)
    log_warning ("%s (pid %d) ended", child->role, (int) pid);
  else if (!child->stopping)
    log_warning ("%s (pid %d) ended with %s %d", child->role, (int) pid,
                 end.by_signal ? "signal" : "status", end.number);
}

void
process_child_start_again (struct process_child *child)
{
  int r;

  log_set_subject (&child->about);
  child->status.restarts++;
  r = process_child_spawn (child);
  if (r < 0 || child->retry_ms != 0)
    child->status.restarts--;
  if (r < 0) {
    child->status.failed = true;
    log_error ("%s cannot be started again: %s", child->role, g_strerror (-r));
  }
  else if (child->retry_ms == 0)
    log_info ("%s was started again (pid %d)", child->role,
              (int) child->process.pid);
}

int
process_child_start_dead (struct process_child *child, struct failure *why)
{
  int r;

  if (child->once)
    return failure_set (why, FAILURE_GENERIC, ESRCH, "%s has ended, and is not "
                        "started again", child->role);
  child->status.restarts++;
  r = process_child_spawn (child);
  if (r < 0)
    return process_child_start_failure (child, r, why);
  log_warning ("%s had ended and was started again (pid %d)", child->role,
               (int) child->process.pid);
  return 0;
}

/* --- one that stands still --------------------------------------------- */

static void
tell_stopped (struct process_child *child, const char *what, int64_t stopped_ms)
{
  log_set_subject (&child->about);
  log_warning ("%s (pid %d) was stopped by somebody for %d ms, and guest "
               "writes wait for it: it is %s", child->role,
               (int) child->process.pid, (int) stopped_ms, what);
}

static void
tell_to_go_on (struct process_child *child, int64_t stopped_ms)
{
  if (child->told_ms == 0)
    tell_stopped (child, "told to go on", stopped_ms);
  (void) pidfd_send_signal (child->process.pidfd, SIGCONT, NULL, 0);
  child->told_ms = now_ms ();
}

void
process_child_look_stopped (struct process_child *child)
{
  const struct process_child_patience *patience = &child->patience;
  int64_t now = now_ms (), stopped_ms = now - child->stopped_ms;

  if (child->process.pid == 0 || !process_is_stopped (child->process.pid)) {
    child->stopped_ms = 0;
    child->told_ms = 0;
  }
  else if (child->stopped_ms == 0)
    child->stopped_ms = now;
  else if (patience->kill_ms != 0 && stopped_ms >= patience->kill_ms) {
    tell_stopped (child, "killed", stopped_ms);
    (void) pidfd_send_signal (child->process.pidfd, SIGKILL, NULL, 0);
    child->stopped_ms = 0;
  }
  /* Again and again: it may have been stopped anew between two looks. */
  else if (patience->go_on_ms != 0 &&
           now - MAX (child->stopped_ms, child->told_ms) >=
           patience->go_on_ms)
    tell_to_go_on (child, stopped_ms);
}

/* --- taking over -------------------------------------------------------- */

static bool
is_listener (int fd)
{
  int listens = 0;
  socklen_t size = sizeof listens;

  return getsockopt (fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 &&
         listens != 0;
}

/* Whoever is connected to it loses nothing: it connects again, which it could not
 * do otherwise. */
static bool
end_if_out_of_reach (struct process_child *child)
{
  const char *socket = child->place.socket;
  struct pollfd polled = { .fd = child->process.pidfd, .events = POLLIN };

  if (socket == NULL || access (socket, F_OK) == 0 || errno != ENOENT)
    return false;
  log_warning ("%s (pid %d) is started again: its socket %s is gone",
               child->role, (int) child->process.pid, socket);
  (void) pidfd_send_signal (child->process.pidfd, SIGKILL, NULL, 0);
  (void) poll (&polled, 1, END_MS);
  close (child->process.pidfd);
  child->process = (struct process) { .pid = 0, .pidfd = -1 };
  return true;
}

int
process_child_find (struct process_child *child, const char *const *marks)
{
  int fd, r = process_record_find (child->record, marks, &child->process,
                                   &child->status.restarts);

  if (r < 0)
    return r;
  if (end_if_out_of_reach (child))
    return -ESRCH;
  child->status.started_ms = now_ms ();
  fd = pidfd_getfd (child->process.pidfd, PROCESS_CHILD_LISTENER, 0);
  if (fd >= 0 && is_listener (fd)) {
    child->fds[PROCESS_CHILD_LISTENER] = fd;
    return 0;
  }
  log_warning ("%s (pid %d): its socket cannot be taken over (%s): who connects "
               "while it is started again is refused", child->role,
               (int) child->process.pid, fd < 0 ? g_strerror (errno)
                                                 : "it is another file");
  if (fd >= 0)
    close (fd);
  return 0;
}
