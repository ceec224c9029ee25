/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* child.c with real processes: socket activation, restart, giving up, stop. */
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
#include <unistd.h>

#include "child.h"
#include "deadline.h"
#include "log.h"

#define DEADLINE_MS 20000

static char folder[] = "/tmp/pullback-child-XXXXXX";
static char socket_path[sizeof folder + 16];

static struct child *
start_shell (const char *script)
{
  const char *argv[] = { "/bin/sh", "-c", script, "pullback-test-child", folder,
                         NULL };
  struct failure why = { 0 };
  struct child *child;
  int fd;

  assert (child_listen_unix (socket_path, getuid (), getgid (), &fd,
                             &why) == 0);
  assert (child_start ("test", (char *const *) argv, fd, &child, &why) == 0);
  return child;
}

static void
wait_until (bool (*is_true) (struct child *), struct child *child)
{
  int64_t deadline = now_ms () + DEADLINE_MS;

  while (!is_true (child)) {
    assert (ms_left (deadline) > 0);
    poll (NULL, 0, 10);
  }
}

static bool was_restarted (struct child *child) { return child_restarts (child) > 0; }
static bool has_failed (struct child *child) { return child_failed (child); }

/* The child got the socket as descriptor 3 and its own pid in LISTEN_PID. */
static void
test_activation_and_restart (void)
{
  struct child *child =
    start_shell ("test \"$LISTEN_PID\" = $$ && test \"$LISTEN_FDS\" = 1 && "
                 "test -S /proc/self/fd/3 && exec sleep 1000");
  pid_t first = child_pid (child);
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  CLEANUP_FD int fd = socket (AF_UNIX, SOCK_STREAM, 0);

  assert (first > 0);
  assert (kill (first, SIGKILL) == 0);
  wait_until (was_restarted, child);
  assert (child_pid (child) != first && !child_failed (child));
  /* The backlog takes a connection whatever the child does. */
  strcpy (address.sun_path, socket_path);
  assert (connect (fd, (struct sockaddr *) &address, sizeof address) == 0);
  child_stop (child);
  close (fd);
  fd = socket (AF_UNIX, SOCK_STREAM, 0);
  assert (connect (fd, (struct sockaddr *) &address, sizeof address) < 0 &&
          errno == ECONNREFUSED);
}

static void
test_given_up (void)
{
  struct child *child = start_shell ("exit 3");

  wait_until (has_failed, child);
  child_stop (child);
}

static void
test_stubborn_child_is_killed (void)
{
  struct child *child = start_shell ("trap '' TERM; while :; do sleep 0.2; done");
  pid_t pid = child_pid (child);

  child_stop (child);
  assert (kill (pid, 0) < 0 && errno == ESRCH);
}

static void
test_leftover (void)
{
  struct child *child = start_shell ("exec sleep 1000");
  struct child *other;
  int64_t deadline = now_ms () + DEADLINE_MS;

  /* "sleep 1000" replaced the command line, so only the second one has it. */
  child_stop (child);
  other = start_shell ("while :; do sleep 0.2; done");
  /* Until it has called exec the child still has our own command line. */
  while (!was_restarted (other)) {
    assert (ms_left (deadline) > 0);
    child_kill_by_argument (folder);
    poll (NULL, 0, 10);
  }
  child_stop (other);
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
    assert (child_listen_tcp (bad[i], &fd, &why) < 0);
    assert (why.class == FAILURE_BAD_ARGUMENT && why.text[0] != '\0');
  }
  why.error = 0;
  assert (child_listen_tcp ("0", &fd, &why) == 0);
  {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    char where[16];

    assert (getsockname (fd, (struct sockaddr *) &address, &length) == 0);
    snprintf (where, sizeof where, "%u",
              (unsigned) (((unsigned char *) &address)[2] << 8 |
                          ((unsigned char *) &address)[3]));
    assert (child_listen_tcp (where, &again, &why) == -EADDRINUSE);
    assert (strstr (why.text, where) != NULL);
  }
  close (fd);
}

int
main (void)
{
  log_open ("test-child", LOG_LEVEL_ERROR);
  signal (SIGPIPE, SIG_IGN);
  assert (mkdtemp (folder) != NULL);
  snprintf (socket_path, sizeof socket_path, "%s/s", folder);
  assert (child_watcher_start () == 0);
  test_activation_and_restart ();
  test_given_up ();
  test_stubborn_child_is_killed ();
  test_leftover ();
  test_tcp_addresses ();
  child_watcher_stop ();
  unlink (socket_path);
  rmdir (folder);
  return 0;
}
