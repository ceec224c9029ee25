/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A session by a program, which a thread plays: what a command without an answer does to
 * those that follow it. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "deadline.h"
#include "full-io.h"
#include "json-members.h"
#include "qmp-helper.h"
#include "qmp-peer.h"
#include "qmp.h"
#include "test-qmp.h"

static int program_fd;
static bool has_ended;
static pid_t qemu;
static sem_t asked;             /* all that may be, while an answer is missing */

/* --- the program --------------------------------------------------------- */

static void
say (const char *text)
{
  CHECK (full_send (program_fd, text, strlen (text)) == 0);
}

/* The next command must have this in it. */
static void
hear (const char *words)
{
  char line[512] = "";
  size_t n = 0;

  while (n < sizeof line - 1 && recv (program_fd, line + n, 1, 0) == 1)
    if (line[n++] == '\n')
      break;
  CHECK (strstr (line, words) != NULL);
}

static void
greet (void)
{
  say ("{\"QMP\": {}, \"who\": \"me\"}\n");
  hear ("query-qmp-schema");
  say ("{\"return\": [{\"name\": \"query-qmp-schema\", \"meta-type\": "
       "\"command\", \"arg-type\": \"0\"}, {\"name\": \"0\", \"meta-type\": "
       "\"object\", \"members\": []}], \"id\": 1}\n");
}

static void *
play_late (void *opaque)
{
  struct pollfd polled = { .fd = program_fd, .events = POLLIN };

  greet ();
  hear ("\"first\"");
  say ("{\"event\": \"BEFORE\"}\n");
  /* "second" and the question must not come. */
  while (sem_wait (&asked) < 0)
    ;
  CHECK (poll (&polled, 1, 0) == 0);
  say ("{\"event\": \"AFTER\"}\n{\"return\": {\"late\": true}, \"id\": 2}\n");
  hear ("\"third\"");
  say ("{\"return\": {}, \"id\": 5}\n");
  hear ("\"fourth\"");
  say ("{\"unsent\": true, \"id\": 6}\n");
  hear ("\"fifth\"");
  say ("{\"unsent\": true, \"busy\": \"of others\", \"id\": 7}\n");
  hear ("\"sixth\"");
  say ("{\"return\": {}, \"id\": 8}\n");
  return NULL;
}

static void *
play_refused (void *opaque)
{
  say ("{\"error\": {\"desc\": \"no\"}}\n");
  return NULL;
}

/* --- our side ------------------------------------------------------------ */

static int
meet (void *opaque, json_object *greeting, pid_t *pid, char **folder,
      struct failure *why)
{
  *pid = qemu;
  return json_get_object (greeting, "QMP") != NULL ? 0
         : failure_set (why, FAILURE_QMP, ECONNREFUSED, "it is off");
}

static void
end (void *opaque)
{
  CHECK (!has_ended);
  has_ended = true;
}

static int
open_with (void *(*play) (void *), pthread_t *thread, struct qmp **qmp,
           struct failure *why)
{
  int fds[2];

  CHECK (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  program_fd = fds[1];
  has_ended = false;
  CHECK (pthread_create (thread, NULL, play, NULL) == 0);
  return qmp_open_helper (&(struct qmp_helper) {
                            .fd = fds[0], .name = "the program",
                            .meet = meet, .end = end }, 5000, qmp, why);
}

static char events[64];

static void
on_event (void *opaque, const char *event, json_object *data)
{
  strncat (events, event, sizeof events - strlen (events) - 1);
}

static void
no_answer (void *opaque, json_object *result)
{
  CHECK (false);
}

static void
late_holds_back_the_next (void)
{
  struct failure why = { .error = 0 };
  struct qmp *qmp;
  pthread_t thread;
  int64_t begin;

  CHECK_OK (open_with (play_late, &thread, &qmp, &why), &why);
  qmp_set_event_handler (qmp, on_event, NULL);
  CHECK_FAILS (qmp_call (qmp, "first", NULL, 100, NULL, &why), ETIMEDOUT, &why,
               "first");
  CHECK_FAILS (qmp_call (qmp, "second", NULL, 100, NULL, &why), ETIMEDOUT,
               &why, "second");
  begin = now_ms ();
  CHECK (qmp_ask (qmp, "question", no_answer, NULL) == 0);
  CHECK (now_ms () - begin < 5000);
  CHECK (sem_post (&asked) == 0);
  CHECK (!qmp_is_lost (qmp));
  CHECK_OK (qmp_call (qmp, "third", NULL, 5000, NULL, &why), &why);
  /* Both came while something else was waited for. */
  CHECK (qmp_dispatch (qmp) == 0);
  CHECK (strcmp (events, "BEFOREAFTER") == 0);
  /* One that was not carried out has no answer, and holds nothing back. */
  CHECK_FAILS (qmp_call (qmp, "fourth", NULL, 100, NULL, &why), ETIMEDOUT,
               &why, "fourth");
  /* Nor does it wait where it is told why. */
  CHECK_FAILS (qmp_call (qmp, "fifth", NULL, 60000, NULL, &why), ETIMEDOUT,
               &why, "not asked for fifth: of others");
  CHECK_OK (qmp_call (qmp, "sixth", NULL, 5000, NULL, &why), &why);
  qmp_close (qmp);
  CHECK (has_ended);
  pthread_join (thread, NULL);
  close (program_fd);
}

static void
peer_is_what_it_says (void)
{
  struct failure why = { .error = 0 };
  struct qmp *qmp;
  pthread_t thread;
  uid_t uid;
  gid_t gid;
  pid_t pid;

  qemu = getpid ();
  CHECK_OK (open_with (play_late, &thread, &qmp, &why), &why);
  CHECK (qmp_peer (qmp, &uid, &gid, &pid) == 0);
  CHECK (pid == qemu && uid == geteuid () && gid == getegid ());
  pthread_cancel (thread);
  pthread_join (thread, NULL);
  qmp_close (qmp);
  close (program_fd);
}

static void
refusal_is_passed_on (void)
{
  struct failure why = { .error = 0 };
  struct qmp *qmp;
  pthread_t thread;

  CHECK_FAILS (open_with (play_refused, &thread, &qmp, &why), ECONNREFUSED,
               &why, "it is off");
  CHECK (has_ended);
  pthread_join (thread, NULL);
  close (program_fd);
}

int
main (void)
{
  qemu = getpid ();
  CHECK (sem_init (&asked, 0, 0) == 0);
  late_holds_back_the_next ();
  peer_is_what_it_says ();
  refusal_is_passed_on ();
  return 0;
}
