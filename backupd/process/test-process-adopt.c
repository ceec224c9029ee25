/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mark: no-valgrind (it does not know pidfds) */
/* A child that another process has started is found by its record and its arguments, never
 * another one; it is watched, started again on its socket, and stopped. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deadline.h"
#include "log.h"
#include "process-child.h"
#include "process-leftover.h"
#include "process-listen.h"
#include "process-record.h"

#define DEADLINE_MS 60000

static char folder[] = "/tmp/pullback-adopt-XXXXXX";
static char socket_path[sizeof folder + 16], record[sizeof folder + 16];
static char mark[64];

static const char *const marks[] = { "pullback-test-adopt", mark, NULL };

static struct process_child_spec
spec (int listen_fd)
{
  static const char *argv[] = { "/proc/self/exe", "pullback-test-adopt", mark, NULL };

  return (struct process_child_spec) {
    .role = "test", .listen_fd = listen_fd, .argv = (char *const *) argv, .record = record,
    .place = { .socket = socket_path, .uid = getuid (), .gid = getgid () }
  };
}

/* As a daemon does that dies: in a process of its own, which ends without a word. */
static void
start_elsewhere (void)
{
  pid_t daemon = fork ();
  int status;

  if (daemon == 0) {
    struct process_child_spec told;
    struct process_child *child;
    struct failure why = { 0 };
    int fd;

    assert (process_child_watcher_start () == 0);
    assert (process_listen_unix (socket_path, getuid (), getgid (), &fd, &why) == 0);
    told = spec (fd);
    assert (process_child_start (&told, &child, &why) == 0);
    _exit (0);
  }
  assert (waitpid (daemon, &status, 0) == daemon && status == 0);
}

static pid_t
recorded (void)
{
  FILE *file = fopen (record, "r");
  int pid = 0;

  assert (file != NULL && fscanf (file, "%d", &pid) == 1);
  fclose (file);
  return pid;
}

static struct process_child *
adopt (void)
{
  struct process_child_spec told = spec (-1);
  struct process_child *child;
  struct failure why = { 0 };

  assert (process_child_adopt (&told, marks, &child, &why) == 0);
  return child;
}

static pid_t pid_of (struct process_child *child) { return process_child_status (child).pid; }

static void
wait_for_restarts (struct process_child *child, unsigned n)
{
  int64_t deadline = now_ms () + DEADLINE_MS;

  while (process_child_status (child).restarts < n || pid_of (child) == 0) {
    assert (ms_left (deadline) > 0);
    poll (NULL, 0, 10);
  }
}

static int
connects (void)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  CLEANUP_FD int fd = socket (AF_UNIX, SOCK_STREAM, 0);

  strcpy (address.sun_path, socket_path);
  return connect (fd, (struct sockaddr *) &address, sizeof address) < 0 ? -errno : 0;
}

static void
test_taken_over (void)
{
  struct process_child *child;
  pid_t first;

  start_elsewhere ();
  first = recorded ();
  child = adopt ();
  assert (pid_of (child) == first && process_child_status (child).restarts == 0);
  assert (kill (first, SIGKILL) == 0);
  wait_for_restarts (child, 1);
  assert (pid_of (child) != first && pid_of (child) == recorded ());
  /* Its socket is the one it had. */
  assert (connects () == 0);
  process_child_leave (child);
  child = adopt ();
  assert (process_child_status (child).restarts == 1);
  first = pid_of (child);
  process_child_stop (child);
  assert (kill (first, 0) < 0 && errno == ESRCH && access (record, F_OK) < 0);
  assert (connects () == -ECONNREFUSED);
}

static void
test_not_started_has_no_record (void)
{
  static const char *argv[] = { "/nonexistent", NULL };
  struct process_child_spec told = spec (-1);
  struct process_child *child;
  struct failure why = { 0 };

  told.argv = (char *const *) argv;
  assert (process_child_start (&told, &child, &why) == -ENOENT);
  assert (access (record, F_OK) < 0 && errno == ENOENT);
  assert (unlink (socket_path) == 0);
}

/* Both died. */
static void
test_dead_is_started (void)
{
  struct process_child *child;
  pid_t first;

  start_elsewhere ();
  first = recorded ();
  assert (kill (first, SIGKILL) == 0);
  while (kill (first, 0) == 0)
    poll (NULL, 0, 10);
  assert (connects () == -ECONNREFUSED);
  child = adopt ();
  assert (pid_of (child) != first && process_child_status (child).restarts == 1);
  assert (connects () == 0);
  process_child_stop (child);
}

static void
write_record (pid_t pid, const char *start)
{
  FILE *file = fopen (record, "w");

  assert (file != NULL && fprintf (file, "%10d %23s %10u\n", (int) pid, start, 3) == 46);
  fclose (file);
}

/* The parent died between the start and the record of it. */
static void
test_not_recorded_yet (void)
{
  struct process_child *child;
  pid_t first;

  start_elsewhere ();
  first = recorded ();
  assert (process_record_write (record, 0, 3) == 0);
  child = adopt ();
  assert (pid_of (child) == first && process_child_status (child).restarts == 3);
  process_child_stop (child);
}

static pid_t
start_other (const char *name, const char *argument)
{
  pid_t pid = fork ();

  if (pid == 0) {
    execl ("/proc/self/exe", "/proc/self/exe", name, argument, NULL);
    _exit (127);
  }
  /* Until it is what it will be. */
  while (!process_leftover_has_argument (pid, argument))
    poll (NULL, 0, 1);
  return pid;
}

/* The pid is another process's by now: with other arguments, with another start time. */
static void
test_recycled (void)
{
  const char *const others[] = { "pullback-test-adopt", "another-mark" };
  pid_t other = start_other (others[0], others[1]);
  struct process process;
  unsigned restarts;

  assert (process_record_write (record, other, 3) == 0);
  assert (process_record_find (record, marks, &process, &restarts) == -ESRCH && restarts == 3);
  kill (other, SIGKILL);
  waitpid (other, NULL, 0);

  /* All but the start time is right: a process of this mark, but not the recorded one, is
   * found by its arguments alone ... */
  other = start_other (marks[0], marks[1]);
  write_record (other, "12345");
  assert (process_record_find (record, marks, &process, &restarts) == 0 &&
          process.pid == other);
  close (process.pidfd);
  kill (other, SIGKILL);
  /* ... but never one that has ended, though nobody has waited for it. */
  while (process_record_find (record, marks, &process, &restarts) == 0)
    close (process.pidfd);
  waitpid (other, NULL, 0);
  unlink (record);
}

int
main (int argc, char **argv)
{
  /* As the child of the tests. */
  while (argc > 1)
    pause ();
#ifdef __SANITIZE_THREAD__
  /* The daemon of before is a fork with threads of its own, which that sanitizer
   * does not follow; it sees these files in test-process-child. */
  return 0;
#endif
  log_open ("test-process-adopt", LOG_LEVEL_ERROR);
  assert (mkdtemp (folder) != NULL);
  snprintf (socket_path, sizeof socket_path, "%s/socket", folder);
  snprintf (record, sizeof record, "%s/record", folder);
  snprintf (mark, sizeof mark, "mark=%s", folder);
  test_recycled ();
  assert (process_child_watcher_start () == 0);
  test_taken_over ();
  test_not_started_has_no_record ();
  test_dead_is_started ();
  test_not_recorded_yet ();
  process_child_watcher_stop ();
  unlink (socket_path);
  assert (rmdir (folder) == 0);
  return 0;
}
