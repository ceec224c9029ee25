/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mark: no-valgrind (it does not know pidfds) */
/* process-child.c with real processes: socket activation, restart, giving up, stop. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deadline.h"
#include "log.h"
#include "process.h"
#include "process-child.h"
#include "process-leftover.h"
#include "process-listen.h"
#include "process-sockets.h"

#define DEADLINE_MS 60000

static char folder[] = "/tmp/pullback-child-XXXXXX";
static char socket_path[sizeof folder + 16];

/* Until the child has read what FD, whose offset it shares, has. */
static void
wait_until_read (int fd)
{
  int64_t deadline = now_ms () + DEADLINE_MS;

  while (lseek (fd, 0, SEEK_CUR) != 4) {
    assert (ms_left (deadline) > 0);
    poll (NULL, 0, 10);
  }
}

static struct process_child *
start_with (const char *script, bool once)
{
  const char *argv[] = { "/bin/sh", "-c", script, "pullback-test-child", folder,
                         NULL };
  struct failure why = { 0 };
  struct process_child *child;
  int fd = -1;

  /* What is started once listens nowhere. */
  assert (once || process_listen_unix (socket_path, getuid (), getgid (), &fd,
                                       &why) == 0);
  assert (process_child_start (&(struct process_child_spec) {
                                 .role = "test", .listen_fd = fd, .once = once,
                                 .argv = (char *const *) argv }, &child,
                               &why) == 0);
  return child;
}

static struct process_child *
start_shell (const char *script)
{
  return start_with (script, false);
}

static void
wait_until (bool (*is_true) (struct process_child *), struct process_child *child)
{
  int64_t deadline = now_ms () + DEADLINE_MS;

  while (!is_true (child)) {
    assert (ms_left (deadline) > 0);
    poll (NULL, 0, 10);
  }
}

static bool was_restarted (struct process_child *child) { return process_child_status (child).restarts > 0; }
static bool has_failed (struct process_child *child) { return process_child_status (child).failed; }

/* The child got the socket as descriptor 3 and its own pid in LISTEN_PID. */
static void
test_activation_and_restart (void)
{
  struct process_child *child =
    start_shell ("test \"$LISTEN_PID\" = $$ && test \"$LISTEN_FDS\" = 1 && "
                 "test -S /proc/self/fd/3 && exec sleep 1000");
  pid_t first = process_child_status (child).pid;
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  CLEANUP_FD int fd = socket (AF_UNIX, SOCK_STREAM, 0);

  assert (first > 0);
  assert (kill (first, SIGKILL) == 0);
  wait_until (was_restarted, child);
  assert (process_child_status (child).pid != first && !process_child_status (child).failed);
  /* The backlog takes a connection whatever the child does. */
  strcpy (address.sun_path, socket_path);
  assert (connect (fd, (struct sockaddr *) &address, sizeof address) == 0);
  process_child_stop (child);
  close (fd);
  fd = socket (AF_UNIX, SOCK_STREAM, 0);
  assert (connect (fd, (struct sockaddr *) &address, sizeof address) < 0 &&
          errno == ECONNREFUSED);
}

static bool is_down (struct process_child *child) { return process_child_status (child).pid == 0; }
static bool runs (struct process_child *child) { return process_child_status (child).pid > 0; }

/* Short of descriptors: it is started as soon as there are some, and neither
 * the first start nor a later one is given up. */
static void
test_short_of_descriptors (void)
{
  struct process_child *child;
  struct rlimit before, none;
  pid_t first;
  int fd;

  assert (getrlimit (RLIMIT_NOFILE, &before) == 0);
  none = before;
  fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  assert (fd >= 0);
  close (fd);
  none.rlim_cur = (rlim_t) fd + 1;      /* for the listening socket */
  assert (setrlimit (RLIMIT_NOFILE, &none) == 0);
  child = start_shell ("exec sleep 1000");
  assert (process_child_status (child).pid == 0 && !process_child_status (child).failed);
  assert (setrlimit (RLIMIT_NOFILE, &before) == 0);
  wait_until (runs, child);

  first = process_child_status (child).pid;
  /* Its pidfd is closed before the next one is opened. */
  none.rlim_cur = (rlim_t) fd + 1;
  assert (setrlimit (RLIMIT_NOFILE, &none) == 0);
  assert (kill (first, SIGKILL) == 0);
  wait_until (is_down, child);
  assert (!process_child_status (child).failed);
  assert (setrlimit (RLIMIT_NOFILE, &before) == 0);
  wait_until (runs, child);
  assert (process_child_status (child).pid != first);
  process_child_stop (child);
}

/* The descriptors that it was given come again at each start. */
static void
test_more_descriptors (void)
{
  const char *argv[] = { "/bin/sh", "-c", "read word <&5 && test $word = two && "
                         "read word <&4 && test $word = one && "
                         "exec sleep 1000", NULL };
  struct failure why = { 0 };
  struct process_child *child;
  int fds[2], fd, i;

  for (i = 0; i < 2; i++) {
    fds[i] = memfd_create ("test", MFD_CLOEXEC);
    assert (fds[i] >= 0 && write (fds[i], i == 0 ? "one\n" : "two\n", 4) == 4);
    lseek (fds[i], 0, SEEK_SET);
  }
  assert (process_listen_unix (socket_path, getuid (), getgid (), &fd,
                               &why) == 0);
  assert (process_child_start (&(struct process_child_spec) {
                                 .role = "test", .listen_fd = fd,
                                 .argv = (char *const *) argv,
                                 .more_fds = fds, .n_more_fds = 2 },
                               &child, &why) == 0);
  wait_until (runs, child);
  for (i = 0; i < 2; i++) {
    wait_until_read (fds[1]);
    wait_until_read (fds[0]);
    assert (lseek (fds[0], 0, SEEK_SET) == 0 &&
            lseek (fds[1], 0, SEEK_SET) == 0);
    if (i == 0)
      assert (kill (process_child_status (child).pid, SIGKILL) == 0);
  }
  assert (process_child_status (child).restarts == 1);
  process_child_stop (child);
  close (fds[0]);
  close (fds[1]);
}

static void
test_given_up (void)
{
  struct process_child *child = start_shell ("exit 3");

  wait_until (has_failed, child);
  process_child_stop (child);
}

/* One that is started once: what it was killed by, or ended with, is known. */
static void
test_once (void)
{
  struct process_child *child = start_with ("test -z \"$LISTEN_FDS\" && exit 3", true);
  struct process_end end;

  wait_until (has_failed, child);
  assert (process_child_status (child).pid == 0 &&
          process_child_status (child).restarts == 0);
  assert (process_child_end (child, now_ms () + DEADLINE_MS, &end) == 0);
  assert (!end.unknown && !end.by_signal && end.number == 3);
  process_child_stop (child);
  child = start_with ("exec sleep 1000", true);
  assert (kill (process_child_status (child).pid, SIGKILL) == 0);
  wait_until (has_failed, child);
  end = process_child_status (child).end;
  assert (end.by_signal && end.number == SIGKILL);
  process_child_stop (child);
}

/* It has time, and says by its exit status how it went. */
static void
test_end (void)
{
  struct process_child *child =
    start_with ("trap 'test -e $1/go && exit 7' TERM; : >$1/ready; "
                "while :; do sleep 0.1; done", true);
  char ready[sizeof folder + 16], go[sizeof folder + 16];
  int64_t deadline = now_ms () + DEADLINE_MS;
  struct process_end end;

  snprintf (ready, sizeof ready, "%s/ready", folder);
  snprintf (go, sizeof go, "%s/go", folder);
  while (access (ready, F_OK) < 0) {
    assert (ms_left (deadline) > 0);
    poll (NULL, 0, 10);
  }
  assert (process_child_end (child, now_ms () + 300, &end) == -ETIMEDOUT);
  assert (process_child_status (child).pid != 0);
  close (open (go, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  assert (process_child_end (child, deadline, &end) == 0);
  assert (!end.by_signal && end.number == 7);
  process_child_stop (child);
  assert (unlink (ready) == 0 && unlink (go) == 0);
}

static void
test_stubborn_child_is_killed (void)
{
  struct process_child *child = start_shell ("trap '' TERM; while :; do sleep 0.2; done");
  pid_t pid = process_child_status (child).pid;

  process_child_stop (child);
  assert (kill (pid, 0) < 0 && errno == ESRCH);
}

static void
test_stopped_child_ends_at_once (void)
{
  struct process_child *child = start_shell ("exec sleep 1000");
  pid_t pid = process_child_status (child).pid;
  int64_t start = now_ms ();

  assert (kill (pid, SIGSTOP) == 0);
  process_child_stop (child);
  assert (kill (pid, 0) < 0 && errno == ESRCH);
  /* A stubborn one takes 5 s. */
  assert (now_ms () - start < 4000);
}

static void
test_stopped_child_is_started_again (void)
{
  struct process_child *child = start_shell ("exec sleep 1000");
  pid_t pid = process_child_status (child).pid;

  process_child_limit_stop (child, (struct process_child_patience) {
                                     .kill_ms = 100 });
  assert (kill (pid, SIGSTOP) == 0);
  wait_until (was_restarted, child);
  assert (process_child_status (child).pid != pid);
  process_child_stop (child);
}

static bool
is_stopped (struct process_child *child)
{
  return process_is_stopped (process_child_status (child).pid);
}

static bool
goes_on (struct process_child *child)
{
  return !is_stopped (child);
}

static void
test_stopped_child_is_told_to_go_on (void)
{
  struct process_child *child = start_shell ("exec sleep 1000");
  pid_t pid = process_child_status (child).pid;
  int i;

  process_child_limit_stop (child, (struct process_child_patience) {
                                     .go_on_ms = 100, .kill_ms = DEADLINE_MS });
  /* Each time anew. */
  for (i = 0; i < 2; i++) {
    assert (kill (pid, SIGSTOP) == 0);
    wait_until (is_stopped, child);
    wait_until (goes_on, child);
  }
  assert (process_child_status (child).pid == pid);
  process_child_stop (child);
}

static void
test_leftover (void)
{
  struct process_child *child = start_shell ("exec sleep 1000");
  int64_t deadline = now_ms () + DEADLINE_MS;
  char script[8192];

  /* "sleep 1000" replaced the command line, so only the others have it, the first
   * one far back. */
  process_child_stop (child);
  for (int width = 8000; width > 0; width -= 7999) {
    snprintf (script, sizeof script, "while :; do sleep 0.2; done #%0*d", width,
              0);
    child = start_shell (script);
    /* Until it has called exec the child still has our own command line. */
    while (!was_restarted (child)) {
      assert (ms_left (deadline) > 0);
      process_leftover_kill (folder);
      poll (NULL, 0, 10);
    }
    process_child_stop (child);
  }
}

/* A file in the socket's place is somebody's. */
static void
test_socket_replaces_only_sockets (void)
{
  struct failure why = { 0 };
  int fd, other;

  assert (unlink (socket_path) == 0);
  other = open (socket_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  assert (other >= 0);
  assert (process_listen_unix (socket_path, getuid (), getgid (), &fd,
                               &why) == -EEXIST);
  assert (strstr (why.text, socket_path) != NULL);
  assert (access (socket_path, F_OK) == 0);
  close (other);
  assert (unlink (socket_path) == 0);
}

/* Only those count whose other end is open, also before the server closes its
 * own; and only this socket's. */
static void
test_connections_in_use (void)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  struct failure why = { 0 };
  int fd, clients[2], accepted[2], i;

  assert (process_listen_unix (socket_path, getuid (), getgid (), &fd,
                               &why) == 0);
  strcpy (address.sun_path, socket_path);
  assert (process_sockets_connected (0, socket_path) == 0);
  for (i = 0; i < 2; i++) {
    clients[i] = socket (AF_UNIX, SOCK_STREAM, 0);
    assert (connect (clients[i], (struct sockaddr *) &address,
                     sizeof address) == 0);
    assert (process_sockets_connected (0, socket_path) == (unsigned) i);
    assert (process_sockets_held (0, socket_path) == (unsigned) i + 1);
    accepted[i] = accept (fd, NULL, NULL);
    assert (accepted[i] >= 0);
    assert (process_sockets_connected (0, socket_path) == (unsigned) i + 1);
  }
  close (clients[0]);
  assert (process_sockets_connected (0, socket_path) == 1);
  assert (process_sockets_held (0, socket_path) == 2);
  assert (process_sockets_connected (0, folder) == 0);
  close (clients[1]);
  assert (process_sockets_connected (0, socket_path) == 0);
  close (accepted[0]);
  assert (process_sockets_held (0, socket_path) == 1);
  close (accepted[1]);
  assert (process_sockets_held (0, socket_path) == 0);
  close (fd);
  assert (unlink (socket_path) == 0);
}

/* A client that is in a network namespace of its own. */
static void
connect_from_elsewhere (const char *path, int ready, int end)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  char made = unshare (CLONE_NEWNET) == 0;
  int fd = socket (AF_UNIX, SOCK_STREAM, 0);

  strcpy (address.sun_path, path);
  if (connect (fd, (struct sockaddr *) &address, sizeof address) < 0)
    _exit (1);
  (void) !write (ready, &made, 1);
  (void) !read (end, &made, 1);
  _exit (0);
}

static void
test_connection_from_elsewhere (void)
{
  struct failure why = { 0 };
  int fd, ready[2], end[2], accepted;
  char made = 0;
  pid_t pid;

  assert (process_listen_unix (socket_path, getuid (), getgid (), &fd,
                               &why) == 0);
  assert (pipe (ready) == 0 && pipe (end) == 0);
  pid = fork ();
  assert (pid >= 0);
  if (pid == 0)
    connect_from_elsewhere (socket_path, ready[1], end[0]);
  assert (read (ready[0], &made, 1) == 1);
  accepted = accept (fd, NULL, NULL);
  assert (accepted >= 0);
  assert (process_sockets_connected (pid, socket_path) == 1);
  assert (process_sockets_held (pid, socket_path) == 1);
  /* Only root may make a namespace. */
  assert (process_sockets_connected (0, socket_path) == (made ? 0 : 1));
  assert (write (end[1], "", 1) == 1);
  assert (waitpid (pid, NULL, 0) == pid);
  assert (process_sockets_connected (pid, socket_path) == 0);
  for (int i = 0; i < 2; i++) {
    close (ready[i]);
    close (end[i]);
  }
  close (accepted);
  close (fd);
  assert (unlink (socket_path) == 0);
}

static void
test_tcp_addresses (void)
{
  static const char *const bad[] = { "", "x", "127.0.0.1:", ":1", "65536",
                                     "127.0.0.1:99999999999", "1:2x" };
  struct failure why = { 0 };
  int fd, again;
  size_t i;

  for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    why.error = 0;
    assert (process_listen_tcp (bad[i], &fd, &why) < 0);
    assert (why.class == FAILURE_BAD_ARGUMENT && why.text[0] != '\0');
  }
  why.error = 0;
  assert (process_listen_tcp ("0", &fd, &why) == 0);
  {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    char where[16];

    assert (getsockname (fd, (struct sockaddr *) &address, &length) == 0);
    snprintf (where, sizeof where, "%u",
              (unsigned) (((unsigned char *) &address)[2] << 8 |
                          ((unsigned char *) &address)[3]));
    assert (process_listen_tcp (where, &again, &why) == -EADDRINUSE);
    assert (strstr (why.text, where) != NULL);
  }
  close (fd);
}

int
main (void)
{
  log_open ("test-process-child", LOG_LEVEL_ERROR);
  signal (SIGPIPE, SIG_IGN);
  assert (mkdtemp (folder) != NULL);
  snprintf (socket_path, sizeof socket_path, "%s/s", folder);
  assert (process_child_watcher_start () == 0);
  test_activation_and_restart ();
  test_short_of_descriptors ();
  test_more_descriptors ();
  test_socket_replaces_only_sockets ();
  test_given_up ();
  test_once ();
  test_end ();
  test_stubborn_child_is_killed ();
  test_stopped_child_ends_at_once ();
  test_stopped_child_is_started_again ();
  test_stopped_child_is_told_to_go_on ();
  test_leftover ();
  test_tcp_addresses ();
  test_connections_in_use ();
  test_connection_from_elsewhere ();
  process_child_watcher_stop ();
  unlink (socket_path);
  rmdir (folder);
  return 0;
}
