/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mark: no-valgrind (it does not know pidfds) */
/* A debugger holds all threads of a child and does not look at what becomes of them: the
 * child that is killed then is not waited for, and another one is started. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deadline.h"
#include "log.h"
#include "process.h"
#include "process-child.h"

#define DEADLINE_MS 60000
#define HELD_MS 100
#define SECOND "second"
#define LONGEST_MS 20000
#define QUIET_MS 2500

static bool
wait_until (bool (*is_true) (struct process_child *, pid_t),
            struct process_child *child, pid_t pid)
{
  int64_t deadline = now_ms () + DEADLINE_MS;

  while (!is_true (child, pid) && ms_left (deadline) > 0)
    poll (NULL, 0, 10);
  return is_true (child, pid);
}

static bool
was_restarted (struct process_child *child, pid_t pid)
{
  (void) pid;
  return process_child_status (child).restarts > 0;
}

static bool
was_reaped (struct process_child *child, pid_t pid)
{
  (void) child;
  /* At the latest when another one is let go. */
  process_reap ();
  return kill (pid, 0) < 0 && errno == ESRCH;
}

/* Calls SEE for each thread of PID: for how many it is true. */
static int
each_thread (pid_t pid, bool (*see) (pid_t))
{
  char path[32];
  struct dirent *entry;
  DIR *threads;
  int n = 0;

  snprintf (path, sizeof path, "/proc/%d/task", (int) pid);
  threads = opendir (path);
  assert (threads != NULL);
  while ((entry = readdir (threads)) != NULL)
    if (entry->d_name[0] != '.')
      n += see ((pid_t) atol (entry->d_name));
  closedir (threads);
  return n;
}

static bool
is_second (pid_t thread)
{
  char path[32], name[32] = "";
  FILE *stream;

  snprintf (path, sizeof path, "/proc/%d/comm", (int) thread);
  stream = fopen (path, "r");
  if (stream == NULL)
    return false;
  if (fgets (name, sizeof name, stream) == NULL)
    name[0] = '\0';
  fclose (stream);
  return strcmp (name, SECOND "\n") == 0;
}

/* A sanitizer may have made more. */
static bool
has_two_threads (struct process_child *child, pid_t pid)
{
  (void) child;
  return each_thread (pid, is_second) == 1;
}

static bool
attach (pid_t thread)
{
  assert (ptrace (PTRACE_ATTACH, thread, NULL, NULL) == 0);
  assert (waitpid (thread, NULL, __WALL) == thread);
  return true;
}

/* The debugger. */
static pid_t
hold (pid_t pid)
{
  int ready[2];
  char byte;
  pid_t debugger;

  assert (pipe (ready) == 0);
  debugger = fork ();
  if (debugger == 0) {
    each_thread (pid, attach);
    assert (write (ready[1], "x", 1) == 1);
    for (;;)
      pause ();
  }
  close (ready[1]);
  assert (read (ready[0], &byte, 1) == 1);
  close (ready[0]);
  assert (process_is_stopped (pid) && !process_is_dead (pid));
  return debugger;
}

static void *
wait_for_ever (void *name)
{
  if (name != NULL)
    assert (prctl (PR_SET_NAME, name) == 0);
  for (;;)
    pause ();
  return NULL;
}

static void
be_child (const char *threads)
{
  pthread_t thread;

  alarm (DEADLINE_MS / 1000);
  if (strcmp (threads, "two") == 0)
    assert (pthread_create (&thread, NULL, wait_for_ever, SECOND) == 0);
  wait_for_ever (NULL);
}

static struct process_child *
start (const char *threads, pid_t *pid)
{
  const char *argv[] = { "/proc/self/exe", threads, NULL };
  struct failure why = { 0 };
  struct process_child *child;

  assert (process_child_start (&(struct process_child_spec) {
                                 .role = "test", .listen_fd = -1,
                                 .place = { .tcp = "0" },
                                 .argv = (char *const *) argv }, &child,
                               &why) == 0);
  *pid = process_child_status (child).pid;
  if (strcmp (threads, "two") == 0)
    assert (wait_until (has_two_threads, child, *pid));
  return child;
}

static void
test_held_child_is_started_again (const char *threads)
{
  pid_t pid, debugger;
  struct process_child *child = start (threads, &pid);

  debugger = hold (pid);
  process_child_limit_stop (child, (struct process_child_patience) {
                                     .kill_ms = HELD_MS });
  assert (wait_until (was_restarted, child, pid));
  assert (process_child_status (child).pid != pid && process_is_dead (pid));
  process_child_stop (child);
  assert (kill (debugger, SIGKILL) == 0);
  assert (waitpid (debugger, NULL, 0) == debugger);
  assert (wait_until (was_reaped, NULL, pid));
}

/* Nobody waits for it to go on, and somebody else kills it later. */
static void
test_held_child_is_killed (void)
{
  pid_t pid, debugger;
  struct process_child *child = start ("two", &pid);

  debugger = hold (pid);
  /* The watcher has nothing else to wake up for then. */
  poll (NULL, 0, QUIET_MS);
  assert (kill (pid, SIGKILL) == 0);
  assert (wait_until (was_restarted, child, pid));
  process_child_stop (child);
  assert (kill (debugger, SIGKILL) == 0);
  assert (waitpid (debugger, NULL, 0) == debugger);
}

static void
test_held_child_ends (void)
{
  pid_t pid, debugger;
  struct process_child *child = start ("two", &pid);
  int64_t begun = now_ms ();

  debugger = hold (pid);
  process_child_stop (child);
  assert (process_is_dead (pid) && now_ms () - begun < LONGEST_MS);
  assert (kill (debugger, SIGKILL) == 0);
  assert (waitpid (debugger, NULL, 0) == debugger);
}

int
main (int argc, char **argv)
{
  if (argc > 1)
    be_child (argv[1]);
  log_open ("test-process-held", LOG_LEVEL_ERROR);
  assert (process_child_watcher_start () == 0);
  test_held_child_is_started_again ("one");
  test_held_child_is_started_again ("two");
  test_held_child_is_killed ();
  test_held_child_ends ();
  process_child_watcher_stop ();
  return 0;
}
