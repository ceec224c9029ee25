/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mark: no-valgrind (it does not know pidfds) */
/* process-spawn.c: what a new process gets, and what it does not. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deadline.h"
#include "process-spawn.h"

#define DEADLINE_MS 500000
#define THREADS 8
#define ROUNDS 25

/* Signals 32 and 33 are the C library's own, and out of our reach. */
#define LIBC_SIGNALS (3ull << 31)

static int64_t deadline;

/* A pipe that a library may have made: it goes to every child, unless somebody
 * sees to it. */
static void
make_pipe (int ends[2])
{
  assert (pipe (ends) == 0);
}

static int
run (const char *script, const int *descriptors, size_t n,
     struct process *process)
{
  char *argv[] = { (char *) "sh", (char *) "-c", (char *) script, NULL };
  const struct process_spec spec = { .program = "sh", .argv = argv,
                                     .descriptors = descriptors,
                                     .n_descriptors = n,
                                     .oom_score_adj = "900",
                                     .background = true };

  return process_spawn (&spec, process);
}

/* All that FD has until nobody else can write to it. */
static void
read_all (int fd, char *text, size_t size)
{
  size_t n = 0;
  ssize_t r;

  do {
    assert (poll (&(struct pollfd) { .fd = fd, .events = POLLIN }, 1,
                  ms_left (deadline)) == 1);
    r = read (fd, text + n, size - 1 - n);
    assert (r >= 0);
    n += (size_t) r;
  } while (r > 0);
  text[n] = '\0';
}

/* What SCRIPT prints, with N more descriptors from 3 on. */
static void
output_of (const char *script, const int *more, size_t n, char *text,
           size_t size)
{
  int ends[2], descriptors[8] = { PROCESS_NULL };
  struct process process;
  struct process_end end;

  make_pipe (ends);
  descriptors[1] = ends[1];
  descriptors[2] = STDERR_FILENO;
  if (n > 0)
    memcpy (descriptors + 3, more, n * sizeof (int));
  assert (run (script, descriptors, 3 + n, &process) == 0);
  close (ends[1]);
  read_all (ends[0], text, size);
  close (ends[0]);
  assert (process_wait (&process, deadline, &end) == 0);
  assert (!end.by_signal && end.number == 0);
  assert (process.pidfd == -1);
}

/* Exactly those that are given, also where their numbers cross. */
static void
test_descriptors (void)
{
  char text[4096];
  int a[2], b[2], crossed[2];

  make_pipe (a);
  make_pipe (b);
  a[0] = fcntl (a[0], F_DUPFD, 20);
  b[0] = fcntl (b[0], F_DUPFD, 20);
  a[1] = fcntl (a[1], F_DUPFD, 20);
  b[1] = fcntl (b[1], F_DUPFD, 20);
  assert (dup2 (a[1], 4) == 4 && dup2 (b[1], 3) == 3);
  assert (write (4, "four", 4) == 4 && write (3, "three", 5) == 5);
  crossed[0] = 4;
  crossed[1] = 3;
  /* A shell may have descriptors of its own; a substitution has none. */
  output_of ("echo x >&3; echo y >&4; for fd in /proc/self/fd/*; do "
             "test -e $fd && echo ${fd##*/}; done; readlink /proc/self/fd/0",
             crossed, 2, text, sizeof text);
  assert (strcmp (text, "0\n1\n2\n3\n4\n/dev/null\n") == 0);
  assert (read (a[0], text, sizeof text) == 6 && memcmp (text, "fourx", 5) == 0);
  assert (read (b[0], text, sizeof text) == 7 && memcmp (text, "threey", 6) == 0);
  close (3);
  close (4);
}

static void
test_signals_and_score (void)
{
  char text[4096];
  sigset_t set, before;

  sigemptyset (&set);
  sigaddset (&set, SIGTERM);
  sigaddset (&set, SIGUSR1);
  pthread_sigmask (SIG_BLOCK, &set, &before);
  output_of ("exec cat /proc/self/status /proc/self/oom_score_adj", NULL, 0,
             text, sizeof text);
  pthread_sigmask (SIG_SETMASK, &before, NULL);
  assert (strstr (text, "SigBlk:\t0000000000000000\n") != NULL);
  assert (strstr (text, "SigIgn:\t") != NULL);
  assert ((strtoull (strstr (text, "SigIgn:\t") + 8, NULL, 16) &
           ~LIBC_SIGNALS) == 0);
  assert (strcmp (text + strlen (text) - 5, "\n900\n") == 0);
}

/* Last, but in the class that everybody is in. */
static void
test_background (void)
{
  char text[4096];

  output_of ("nice; ionice; chrt -p $$", NULL, 0, text, sizeof text);
  assert (strncmp (text, "19\nbest-effort: prio 7\n", 23) == 0);
  assert (strstr (text, "SCHED_OTHER\n") != NULL);
}

static void
test_no_program (void)
{
  char *argv[] = { (char *) "x", NULL };
  struct process process;

  assert (process_spawn (&(struct process_spec) { .program = "/nowhere/x",
                                                  .argv = argv },
                         &process) == -ENOENT);
  assert (process_spawn (&(struct process_spec) { .program = "no-such-program",
                                                  .argv = argv },
                         &process) == -ENOENT);
}

/* It is there and may be run, but only exec can tell that it is no program. */
static void
test_no_format (void)
{
  char path[] = "./test-process-spawn-XXXXXX", *argv[] = { path, NULL };
  struct process process;
  int fd = mkstemp (path), r;

  assert (fd >= 0 && write (fd, "\177nonsense", 9) == 9);
  assert (fchmod (fd, 0700) == 0);
  close (fd);
  r = process_spawn (&(struct process_spec) { .program = path,
                                              .argv = argv },
                     &process);
#if defined __SANITIZE_THREAD__ || defined __SANITIZE_ADDRESS__
  /* A sanitizer may make fork of vfork, which cannot tell. */
  if (r == 0) {
    struct process_end end;

    assert (process_wait (&process, deadline, &end) == 0);
    assert (!end.by_signal && end.number == 127);
    r = -ENOEXEC;
  }
#endif
  assert (r == -ENOEXEC);
  unlink (path);
}

static void
test_group (void)
{
  const int none[] = { PROCESS_NULL, STDERR_FILENO, STDERR_FILENO };
  struct process process;
  struct process_end end;

  assert (run ("exec sleep 1000", none, 3, &process) == 0);
  /* A sanitizer makes fork of vfork: then we may be faster than the child. */
  while (getpgid (process.pid) != process.pid)
    assert (ms_left (deadline) > 0);
  assert (process_wait (&process, 0, NULL) == -ETIMEDOUT);
  assert (kill (-process.pid, SIGTERM) == 0);
  assert (process_wait (&process, deadline, &end) == 0);
  assert (end.by_signal && end.number == SIGTERM);
}

static struct process sleepers[THREADS * ROUNDS];

/* The end of a pipe is seen when the one process has ended that was given it,
 * whatever others were started in between. */
static void *
start_many (void *opaque)
{
  struct process *mine = opaque;
  const int none[] = { PROCESS_NULL, STDERR_FILENO, STDERR_FILENO };
  char text[16];
  size_t i;

  for (i = 0; i < ROUNDS; i++) {
    int ends[2];
    struct process process;

    make_pipe (ends);
    assert (run ("exec echo done", (int[]) { PROCESS_NULL, ends[1],
                                             STDERR_FILENO }, 3,
                 &process) == 0);
    assert (run ("exec sleep 1000", none, 3, &mine[i]) == 0);
    close (ends[1]);
    read_all (ends[0], text, sizeof text);
    assert (strcmp (text, "done\n") == 0);
    close (ends[0]);
    process_let_go (&process);
  }
  return NULL;
}

static void
test_many_at_once (void)
{
  pthread_t threads[THREADS];
  size_t i;

  for (i = 0; i < THREADS; i++)
    assert (pthread_create (&threads[i], NULL, start_many,
                            &sleepers[i * ROUNDS]) == 0);
  for (i = 0; i < THREADS; i++)
    pthread_join (threads[i], NULL);
  for (i = 0; i < THREADS * ROUNDS; i++)
    assert (kill (sleepers[i].pid, SIGKILL) == 0);
  for (i = 0; i < THREADS * ROUNDS; i++)
    assert (process_wait (&sleepers[i], deadline, NULL) == 0);
}

static void
test_let_go_is_reaped (void)
{
  siginfo_t info;

  while (waitid (P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
    assert (ms_left (deadline) > 0);
    process_reap ();
  }
  assert (errno == ECHILD);
}

int
main (void)
{
  deadline = now_ms () + DEADLINE_MS;
  signal (SIGPIPE, SIG_IGN);
  test_background ();
  test_no_program ();
  test_no_format ();
  test_descriptors ();
  test_signals_and_score ();
  test_group ();
  test_many_at_once ();
  test_let_go_is_reaped ();
  return 0;
}
