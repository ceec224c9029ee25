/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One message each way.  The descriptors are given when the process is started, and come back
 * with the answer.  It is found again by its last argument. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "json-members.h"
#include "log.h"
#include "process-leftover.h"
#include "process-spawn.h"
#include "restore-errand.h"
#include "restore-wait.h"
#include "stop-clock.h"

#define PROGRAM "pullback-target"
#define OURSELVES "/proc/self/exe"
/* The process's descriptors. */
#define SOCKET 3
#define FIRST_FD 4
#define MESSAGE_MAX (128 << 10)
/* For an undo, when the daemon is to end. */
#define UNDO_MS 3000
/* For the end of one that was killed. */
#define KILL_MS 1000

static __thread int64_t limit = INT64_MAX;

/* Of the daemon's state folder.  Constant once errands run. */
static const char *identity = "";

void
restore_errand_use (const char *of_state)
{
  identity = of_state;
}

void
restore_errand_limit (int64_t deadline)
{
  limit = deadline;
}

bool
restore_errand_is_unknown (int r)
{
  return r == -ETIMEDOUT || r == -ECHILD;
}

/* --- messages ---------------------------------------------------------------- */

union control {
  struct cmsghdr header;
  char bytes[CMSG_SPACE (RESTORE_ERRAND_FDS_MAX * sizeof (int))];
};

static int
send_message (int socket, json_object *words, const int *fds, size_t n)
{
  const char *text = json_object_to_json_string (words);
  union control control = { .bytes = { 0 } };
  struct iovec part = { (void *) text, strlen (text) };
  struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
  ssize_t sent;

  if (part.iov_len > MESSAGE_MAX || n > RESTORE_ERRAND_FDS_MAX)
    return -E2BIG;
  if (n > 0) {
    struct cmsghdr *header = &control.header;

    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE (n * sizeof (int));
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN (n * sizeof (int));
    memcpy (CMSG_DATA (header), fds, n * sizeof (int));
  }
  do
    sent = sendmsg (socket, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : 0;
}

/* -ECHILD: the other end was closed before. */
static int
receive_message (int socket, struct restore_answer *answer)
{
  g_autofree char *text = g_malloc (MESSAGE_MAX + 1);
  union control control;
  struct iovec part = { text, MESSAGE_MAX };
  struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes };
  const struct cmsghdr *header;
  ssize_t n;

  do
    n = recvmsg (socket, &message, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n <= 0)
    return n < 0 && errno != ECONNRESET ? -errno : -ECHILD;
  header = CMSG_FIRSTHDR (&message);
  if (header != NULL && header->cmsg_type == SCM_RIGHTS) {
    answer->n_fds = (header->cmsg_len - CMSG_LEN (0)) / sizeof (int);
    memcpy (answer->fds, CMSG_DATA (header), answer->n_fds * sizeof (int));
  }
  text[n] = '\0';
  answer->words = json_tokener_parse (text);
  return 0;
}

/* --- giving up ------------------------------------------------------------------ */

static bool
is_over (const struct restore_errand *errand, int64_t started_ms)
{
  int64_t end = stop_clock_cap (INT64_MAX);

  if (errand->undoes)
    end = MAX (end, started_ms + UNDO_MS);
  return now_ms () >= MIN (end, limit);
}

static int
storage_failure (const struct restore_errand *errand, int pid,
                 struct failure *why)
{
  return failure_set (why, FAILURE_STORAGE, ETIMEDOUT, "%s: its storage does "
                      "not answer process %d (" PROGRAM "), which waits for it: "
                      "see to that, then try again", errand->path, pid);
}

/* What an earlier one was told it may do at any moment. */
static int
wait_for_earlier (const struct restore_errand *errand, const char *mark,
                  int64_t started_ms, struct failure *why)
{
  pid_t pid;

  while ((pid = process_leftover_end (mark, STOP_CLOCK_SLICE_MS)) != 0)
    if (is_over (errand, started_ms))
      return storage_failure (errand, (int) pid, why);
  return 0;
}

/* --- the daemon's side ------------------------------------------------------------ */

static int
spawn (const struct restore_errand *errand, const char *mark, int socket,
       struct process *process)
{
  const char *argv[] = { PROGRAM, errand->verb, NULL, mark, NULL };
  int fds[FIRST_FD + RESTORE_ERRAND_N] = { PROCESS_NULL, PROCESS_NULL,
                                           STDERR_FILENO, socket };
  char given[RESTORE_ERRAND_N + 1] = "";

  for (int i = 0; i < RESTORE_ERRAND_N; i++) {
    given[i] = errand->fds[i] < 0 ? '-' : 'x';
    fds[FIRST_FD + i] = errand->fds[i] < 0 ? PROCESS_NULL : errand->fds[i];
  }
  argv[2] = given;
  return process_spawn (&(struct process_spec) {
                          .program = OURSELVES, .argv = (char *const *) argv,
                          .descriptors = fds,
                          .n_descriptors = G_N_ELEMENTS (fds) }, process);
}

static void
close_given (const struct restore_errand *errand)
{
  for (int i = 0; i < RESTORE_ERRAND_N; i++)
    if (errand->gives && errand->fds[i] >= 0)
      close (errand->fds[i]);
}

/* *SOCKET is the caller's. */
static int
start (const struct restore_errand *errand, const char *mark, int *socket,
       struct process *process, struct failure *why)
{
  int ends[2];
  int r = socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0
          ? -errno : 0;

  if (r == 0) {
    r = spawn (errand, mark, ends[1], process);
    close (ends[1]);
    if (r < 0)
      close (ends[0]);
  }
  if (r < 0)
    return failure_set (why, FAILURE_GENERIC, -r, "%s: the process that is to "
                        "see to it cannot be started: %s", errand->path,
                        g_strerror (-r));
  *socket = ends[0];
  return 0;
}

/* FD is ready. */
static int
wait_for (const struct restore_errand *errand, int fd, int64_t started_ms)
{
  struct pollfd polled = { .fd = fd, .events = POLLIN };
  int r;

  do
    r = poll (&polled, 1, STOP_CLOCK_SLICE_MS);
  while (((r < 0 && errno == EINTR) || r == 0) &&
         !is_over (errand, started_ms));
  return r > 0 ? 0 : r < 0 ? -errno : -ETIMEDOUT;
}

static int
answer_of (struct restore_answer *answer, struct failure *why)
{
  int error = (int) json_get_u64 (answer->words, "error");
  const char *class = json_get_string (answer->words, "class");
  const char *text = json_get_string (answer->words, "text");

  return error == 0 ? 0
         : failure_set (why, failure_class_from_name (class == NULL ? ""
                                                      : class), error, "%s",
                        text == NULL ? g_strerror (error) : text);
}

/* One that hangs ends when it can. */
static void
end (struct process *process)
{
  (void) pidfd_send_signal (process->pidfd, SIGKILL, NULL, 0);
  if (process_wait (process, now_ms () + KILL_MS, NULL) == -ETIMEDOUT)
    process_let_go (process);
}

static int
talk (const struct restore_errand *errand, int socket, struct process *process,
      int64_t started_ms, struct restore_answer *answer, struct failure *why)
{
  int pid = (int) process->pid;
  int r = send_message (socket, errand->words, NULL, 0);

  if (r == 0 || r == -EPIPE)
    r = wait_for (errand, socket, started_ms);
  if (r == 0)
    r = receive_message (socket, answer);
  /* What it closes at its end may take its time, too. */
  if (r == 0)
    r = wait_for (errand, process->pidfd, started_ms);
  end (process);
  if (r == -ETIMEDOUT)
    return storage_failure (errand, pid, why);
  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r, "%s: the process that saw to "
                        "it (%s) was killed", errand->path, errand->verb);
  return answer_of (answer, why);
}

static void
answer_clear (struct restore_answer *answer)
{
  for (size_t i = 0; i < answer->n_fds; i++)
    close (answer->fds[i]);
  json_object_put (answer->words);
}

static int
run (const struct restore_errand *errand, struct restore_answer *answer,
     struct failure *why)
{
  g_autofree char *mark = g_strdup_printf ("restore=%s:%s:%s", identity,
                                           errand->restore, errand->path);
  int64_t started_ms = now_ms ();
  struct process process;
  CLEANUP_FD int socket = -1;
  int r = wait_for_earlier (errand, mark, started_ms, why);

  if (r == 0)
    r = start (errand, mark, &socket, &process, why);
  close_given (errand);
  return r < 0 ? r
         : talk (errand, socket, &process, started_ms, answer, why);
}

int
restore_errand_run (const struct restore_errand *errand,
                    struct restore_answer *ret, struct failure *why)
{
  struct restore_answer answer = { .n_fds = 0 };
  int r;

  restore_wait_begin (errand->restore, errand->path);
  r = run (errand, &answer, why);
  restore_wait_end (errand->restore);
  if (r == 0 && ret != NULL)
    *ret = answer;
  else
    answer_clear (&answer);
  return r;
}

/* --- the process's side ------------------------------------------------------------ */

bool
restore_errand_is_one (char *const *argv)
{
  return argv[0] != NULL && strcmp (argv[0], PROGRAM) == 0 && argv[1] != NULL &&
         argv[2] != NULL && strlen (argv[2]) == RESTORE_ERRAND_N;
}

/* The daemon has ended, or given up: so does this, and qemu-img with it. */
static void *
follow (void *unused)
{
  struct pollfd polled = { .fd = SOCKET };

  (void) unused;
  while (poll (&polled, 1, -1) <= 0)
    ;
  _exit (1);
}

int
restore_errand_take (char *const *argv, const char **verb,
                     json_object **words, int fds[RESTORE_ERRAND_N])
{
  struct restore_answer request = { .n_fds = 0 };
  pthread_t thread;
  int r = receive_message (SOCKET, &request);

  (void) prctl (PR_SET_NAME, PROGRAM);
  if (r == 0)
    r = -pthread_create (&thread, NULL, follow, NULL);
  if (r < 0)
    return r;
  for (int i = 0; i < RESTORE_ERRAND_N; i++)
    fds[i] = argv[2][i] == 'x' ? FIRST_FD + i : -1;
  *verb = argv[1];
  *words = request.words;
  return 0;
}

int
restore_errand_answer (int r, const struct failure *why, json_object *words,
                       const int *fds, size_t n_fds)
{
  json_add_i64 (words, "error", -r);
  if (r < 0 && why->error != 0) {
    json_add_string (words, "class", failure_class_name (why->class));
    json_add_string (words, "text", why->text);
  }
  return send_message (SOCKET, words, fds, n_fds);
}
