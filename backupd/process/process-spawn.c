/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* By vfork, as posix_spawn does it: a daemon with many threads and much memory
 * starts a process as fast as a small one, and an exec that fails can be told.
 * posix_spawn itself can neither set LISTEN_PID nor oom_score_adj.
 *
 * From vfork on, the child uses the parent's memory while the thread that
 * started it stands still: it makes system calls and changes nothing but
 * struct start.  All signals are blocked meanwhile, so that none of our handlers
 * runs in there. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/ioprio.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

#include "process-spawn.h"

/* Room for a number, filled in by the child. */
#define PID_ROOM "LISTEN_PID=000000000000000000000000"

/* The last of the classes that everybody is in. */
#define NICE_LAST 19
#define IO_LAST 7

struct start {
  const struct process_spec *spec;
  char *path;
  char **environment;
  char *pid_text;               /* in ENVIRONMENT; NULL: no sockets */
  int *sources;                 /* of the spec; the child moves them about */
  pid_t parent;
  /* Of the child, which does not return: the compiler would take what it has
   * written for lost. */
  volatile int error;
};

/* --- in the child: async-signal-safe calls only ------------------- */

static void
child_write_pid (char *p)
{
  char digits[24];
  size_t n = 0;
  long value = (long) getpid ();

  do {
    digits[n++] = (char) ('0' + value % 10);
    value /= 10;
  } while (value > 0);
  while (n > 0)
    *p++ = digits[--n];
  *p = '\0';
}

static void
child_reset_signals (void)
{
  struct sigaction usual = { .sa_handler = SIG_DFL };
  int i;

  for (i = 1; i < NSIG; i++)
    (void) sigaction (i, &usual, NULL);         /* not of KILL, STOP */
}

/* Puts the sources where they belong, and marks the rest to be closed. */
static int
child_place_descriptors (struct start *start)
{
  size_t i, n = start->spec->n_descriptors;

  /* Out of the way of what will be placed there. */
  for (i = 0; i < n; i++)
    if (start->sources[i] >= 0 && start->sources[i] < (int) n &&
        start->sources[i] != (int) i) {
      start->sources[i] = fcntl (start->sources[i], F_DUPFD_CLOEXEC, (int) n);
      if (start->sources[i] < 0)
        return -errno;
    }
  for (i = 0; i < n; i++) {
    int from = start->sources[i], to = (int) i;

    if (from == PROCESS_NULL) {
      from = open ("/dev/null", O_RDWR | O_CLOEXEC);
      if (from < 0)
        return -errno;
    }
    /* One that is closed here is closed there, too. */
    if (from == to ? fcntl (to, F_SETFD, 0) < 0 && errno != EBADF
                   : dup2 (from, to) < 0)
      return -errno;
  }
  /* Ours say so of themselves; a library's may not. */
  return close_range ((unsigned) n, UINT_MAX, CLOSE_RANGE_CLOEXEC) < 0
         ? -errno : 0;
}

static void
child_set_oom_score (const char *text)
{
  int fd = open ("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

  if (fd < 0)
    return;
  /* Where it may not be set the process is worth no less. */
  if (write (fd, text, strlen (text)) < 0)
    (void) 0;
  close (fd);
}

/* Not the idle classes: with a guest that takes all processors SCHED_IDLE gets nothing
 * for seconds on end, and some disk schedulers let idle requests wait as long. */
static void
child_step_back (void)
{
  (void) setpriority (PRIO_PROCESS, 0, NICE_LAST);
  (void) syscall (SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
                  IOPRIO_PRIO_VALUE (IOPRIO_CLASS_BE, IO_LAST));
}

static int
child_prepare (struct start *start)
{
  const struct process_spec *spec = start->spec;

  child_reset_signals ();
  if (!spec->our_group)
    (void) setpgid (0, 0);
  if (spec->death_signal != 0) {
    (void) prctl (PR_SET_PDEATHSIG, spec->death_signal);
    if (getppid () != start->parent)
      return -ESRCH;
  }
  if (spec->oom_score_adj != NULL)
    child_set_oom_score (spec->oom_score_adj);
  if (spec->background)
    child_step_back ();
  if (start->pid_text != NULL)
    child_write_pid (start->pid_text);
  return child_place_descriptors (start);
}

static void
child_run (struct start *start)
{
  sigset_t none;
  int r = child_prepare (start);

  if (r == 0) {
    sigemptyset (&none);
    (void) sigprocmask (SIG_SETMASK, &none, NULL);
    execve (start->path, start->spec->argv, start->environment);
    r = -errno;
  }
  start->error = r;
  _exit (127);
}

/* --- starting ------------------------------------------------------- */

static char **
make_environment (const struct process_spec *spec, char **pid_text)
{
  char **environment = g_get_environ ();
  guint n;
  size_t i;

  /* Ours, if a service manager started us by a socket, are not the child's. */
  environment = g_environ_unsetenv (environment, "LISTEN_FDS");
  environment = g_environ_unsetenv (environment, "LISTEN_FDNAMES");
  environment = g_environ_unsetenv (environment, "LISTEN_PID");
  environment = g_environ_unsetenv (environment, "NOTIFY_SOCKET");
  environment = g_environ_unsetenv (environment, "WATCHDOG_PID");
  environment = g_environ_unsetenv (environment, "WATCHDOG_USEC");
  for (i = 0; spec->variables != NULL && spec->variables[i] != NULL; i++) {
    const char *value = strchr (spec->variables[i], '=');
    g_autofree char *name =
      g_strndup (spec->variables[i], (gsize) (value - spec->variables[i]));

    environment = g_environ_setenv (environment, name, value + 1, TRUE);
  }
  *pid_text = NULL;
  if (spec->n_listening > 0) {
    n = g_strv_length (environment);
    environment = g_renew (char *, environment, n + 3);
    environment[n] = g_strdup_printf ("LISTEN_FDS=%zu", spec->n_listening);
    environment[n + 1] = g_strdup (PID_ROOM);
    environment[n + 2] = NULL;
    *pid_text = environment[n + 1] + strlen ("LISTEN_PID=");
  }
  return environment;
}

/* In a frame of its own, which the child does not leave. */
static __attribute__ ((noinline)) pid_t
start_child (struct start *start)
{
  pid_t pid = vfork ();

  if (pid == 0)
    child_run (start);
  return pid;
}

static pid_t
start_quietly (struct start *start)
{
  sigset_t all, before;
  pid_t pid;
  int error, state;

  sigfillset (&all);
  /* A thread that is cancelled in between would leave all signals blocked. */
  pthread_setcancelstate (PTHREAD_CANCEL_DISABLE, &state);
  pthread_sigmask (SIG_BLOCK, &all, &before);
  pid = start_child (start);
  error = errno;
  pthread_sigmask (SIG_SETMASK, &before, NULL);
  pthread_setcancelstate (state, NULL);
  errno = error;
  return pid;
}

static int
spawn (struct start *start, struct process *process)
{
  pid_t pid = start_quietly (start);
  int fd, error;

  if (pid < 0)
    return -errno;
  if (start->error < 0) {
    waitpid (pid, NULL, 0);     /* it has called _exit */
    return start->error;
  }
  fd = pidfd_open (pid, 0);
  if (fd < 0) {
    error = errno;
    kill (pid, SIGKILL);
    /* It has done nothing yet that could hold it in the kernel. */
    waitpid (pid, NULL, 0);
    return -error;
  }
  process->pid = pid;
  process->pidfd = fd;
  return 0;
}

int
process_spawn (const struct process_spec *spec, struct process *process)
{
  g_autofree int *sources = g_memdup2 (spec->descriptors,
                                       spec->n_descriptors * sizeof (int));
  struct start start = { .spec = spec, .sources = sources,
                         .parent = getpid () };
  int r = -ENOENT;

  process_reap ();
  /* Looked for here: execvpe is not for after vfork. */
  start.path = g_find_program_in_path (spec->program);
  start.environment = make_environment (spec, &start.pid_text);
  if (start.path != NULL)
    r = spawn (&start, process);
  g_strfreev (start.environment);
  g_free (start.path);
  return r;
}

bool
process_spawn_is_short (int r)
{
  return r == -EMFILE || r == -ENFILE || r == -EAGAIN || r == -ENOMEM;
}
