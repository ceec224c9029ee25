/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The session against peers that misbehave, each played by a thread. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "deadline.h"
#include "full-io.h"
#include "json-members.h"
#include "qmp.h"
#include "test-qmp-peer.h"
#include "test-qmp.h"

/* --- the peer's side ----------------------------------------------------- */

static void
peer_silent (int fd)
{
  wait_for_hangup (fd);
}

static void
peer_goes (int fd)
{
}

static void
peer_garbage (int fd)
{
  say (fd, "SSH-2.0-OpenSSH_9.2\r\n");
  wait_for_hangup (fd);
}

static void
peer_other_json (int fd)
{
  say (fd, "{\"hello\": 1}\n");
  wait_for_hangup (fd);
}

static void
peer_nul (int fd)
{
  CHECK (full_send (fd, "{\0}", 3) == 0);
  wait_for_hangup (fd);
}

static void
peer_silent_later (int fd)
{
  say (fd, GREETING);
  wait_for_hangup (fd);
}

static void
peer_deep (int fd)
{
  int i;

  say (fd, "{\"QMP\":");
  for (i = 0; i < 100000; i++)
    say (fd, "[");
  wait_for_hangup (fd);
}

static void
peer_endless (int fd)
{
  static char spaces[65536];

  memset (spaces, 'x', sizeof spaces - 1);
  say (fd, "{\"QMP\": \"");
  while (full_send (fd, spaces, sizeof spaces - 1) == 0)
    ;
}

static void
peer_many_values (int fd)
{
  int i;

  say (fd, "{\"QMP\": [");
  for (i = 0; i < 600000; i++)
    if (full_send (fd, "[],", 3) < 0)
      return;
  wait_for_hangup (fd);
}

static void
peer_no_schema (int fd)
{
  say (fd, GREETING);
  hear (fd);
  say (fd, "{\"return\": {}, \"id\": 1}\r\n");
  hear (fd);
  say (fd, "{\"return\": [{\"name\": 7}], \"id\": 2}\r\n");
  wait_for_hangup (fd);
}

/* Byte by byte, with an event in the middle and one after the reply. */
static void
peer_dribbling (int fd)
{
  static const char text[] =
    "\r\n {\"event\": \"FIRST\", \"data\": {\"x\": \"\xc3\xa4\"}}\n\n"
    "{\"return\": {\"answer\": \"\xe2\x82\xac\"}, \"id\": 3}"
    "{\"event\": \"SECOND\"}{\"event\": \"THIRD\", \"data\": 7}\n";
  size_t i;

  shake_hands (fd);
  hear (fd);
  for (i = 0; i < sizeof text - 1; i++)
    CHECK (full_send (fd, text + i, 1) == 0);
  hear (fd);
  say (fd, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\\nway\"}, "
       "\"id\": 4}{\"event\": \"FOURTH\"}");
  wait_for_hangup (fd);
}

static void
peer_late (int fd)
{
  shake_hands (fd);
  hear (fd);
  hear (fd);
  say (fd, "{\"return\": \"late\", \"id\": 3}\n{\"return\": \"in time\", "
       "\"id\": 4}\n");
  wait_for_hangup (fd);
}

static void
peer_wrong_id (int fd)
{
  shake_hands (fd);
  hear (fd);
  say (fd, "{\"return\": {}, \"id\": 99}\n");
  wait_for_hangup (fd);
}

static void
peer_drops (int fd)
{
  shake_hands (fd);
  hear (fd);
  say (fd, "{\"return\": {\"half");
}

static void
peer_stops_amid (int fd)
{
  shake_hands (fd);
  hear (fd);
  say (fd, "{\"return\": {\"half");
  wait_for_hangup (fd);
}

static void
peer_neither (int fd)
{
  shake_hands (fd);
  hear (fd);
  say (fd, "{\"id\": 3}\n");
  wait_for_hangup (fd);
}

static void
peer_floods (int fd)
{
  shake_hands (fd);
  hear (fd);
  while (full_send (fd, "{\"event\":\"E\"}\n", 14) == 0)
    ;
}

/* --- our side ------------------------------------------------------------ */

static void
check_open_fails (void (*play) (int fd), int timeout_ms, int error,
                  enum failure_class class, const char *words)
{
  struct failure why = { .error = 0 };
  struct qmp *qmp = NULL;
  struct peer peer;

  start_peer (&peer, play);
  CHECK_FAILS (qmp_open (peer_path, timeout_ms, &qmp, &why), error, &why, words);
  CHECK (why.class == class && qmp == NULL);
  CHECK (strchr (why.text, '/') != NULL);
  end_peer (&peer);
}

static void
test_open (void)
{
  check_open_fails (peer_silent, 200, ETIMEDOUT, FAILURE_TIMEOUT, "libvirt?");
  check_open_fails (peer_goes, 60000, EPROTO, FAILURE_QMP, "closed");
  check_open_fails (peer_garbage, 60000, EPROTO, FAILURE_QMP,
                    "is not a QMP server");
  check_open_fails (peer_other_json, 60000, EPROTO, FAILURE_QMP,
                    "is not a QMP server");
  check_open_fails (peer_nul, 60000, EPROTO, FAILURE_QMP, "is not a QMP server");
  check_open_fails (peer_deep, 60000, EPROTO, FAILURE_QMP, "is not a QMP");
  check_open_fails (peer_endless, 100000, EPROTO, FAILURE_QMP, "is not a QMP");
  check_open_fails (peer_many_values, 100000, EPROTO, FAILURE_QMP,
                    "is not a QMP");
  check_open_fails (peer_silent_later, 1000, ETIMEDOUT, FAILURE_TIMEOUT,
                    "did not answer qmp_capabilities");
  check_open_fails (peer_no_schema, 60000, EPROTO, FAILURE_QMP, "no schema");
}

static void
test_connect (void)
{
  struct failure why = { .error = 0 };
  char name[300];
  struct qmp *qmp;
  int fd;

  CHECK_FAILS (qmp_open (peer_path, 1000, &qmp, &why), ENOENT, &why, "no such file");
  CHECK_FAILS (qmp_open ("/tmp", 1000, &qmp, &why), ENOTSOCK, &why,
               "is no socket");
  CHECK_FAILS (qmp_open ("", 1000, &qmp, &why), ENAMETOOLONG, &why, "1 to 107");
  memset (name, 'x', sizeof name - 1);
  name[sizeof name - 1] = '\0';
  CHECK_FAILS (qmp_open (name, 1000, &qmp, &why), ENAMETOOLONG, &why,
               "1 to 107");

  fd = socket (AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  memcpy (address.sun_path, peer_path, strlen (peer_path) + 1);
  CHECK (bind (fd, (struct sockaddr *) &address, sizeof address) == 0);
  CHECK_FAILS (qmp_open (peer_path, 1000, &qmp, &why), ECONNREFUSED, &why,
               "nobody listens there");
  if (geteuid () != 0) {
    CHECK (chmod (peer_path, 0) == 0);
    CHECK_FAILS (qmp_open (peer_path, 1000, &qmp, &why), EACCES, &why,
                 "permission denied");
  }
  close (fd);
  unlink (peer_path);
}

/* A listener whose queue is full, as of a QEMU that serves another client. */
static void
test_queue_full (void)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  struct failure why = { .error = 0 };
  int listener, waiting[2];
  struct qmp *qmp;
  size_t i;

  memcpy (address.sun_path, peer_path, strlen (peer_path) + 1);
  listener = socket (AF_UNIX, SOCK_STREAM, 0);
  CHECK (bind (listener, (struct sockaddr *) &address, sizeof address) == 0);
  CHECK (listen (listener, 1) == 0);
  for (i = 0; i < 2; i++) {
    waiting[i] = socket (AF_UNIX, SOCK_STREAM, 0);
    CHECK (connect (waiting[i], (struct sockaddr *) &address, sizeof address)
           == 0);
  }
  CHECK_FAILS (qmp_open (peer_path, 100, &qmp, &why), ETIMEDOUT, &why, "busy");
  for (i = 0; i < 2; i++)
    close (waiting[i]);
  close (listener);
  unlink (peer_path);
}

static void
append_event (void *opaque, const char *event, json_object *data)
{
  char *list = opaque;

  CHECK (strlen (list) + strlen (event) + 2 < 256);
  strcat (strcat (list, event), data == NULL ? "- " : "+ ");
}

static bool
is_readable (struct qmp *qmp, int timeout_ms)
{
  struct pollfd pfd = { qmp_fd (qmp), POLLIN, 0 };

  return poll (&pfd, 1, timeout_ms) == 1;
}

static void
test_events (void)
{
  struct failure why = { .error = 0 };
  CLEANUP_JSON json_object *result = NULL;
  int64_t deadline_ms = now_ms () + 10000;
  char list[256] = "";
  struct qmp *qmp;
  struct peer peer;

  qmp = open_with (&peer, peer_dribbling);
  qmp_set_event_handler (qmp, append_event, list);
  CHECK_OK (qmp_call (qmp, "x", NULL, 10000, &result, &why), &why);
  CHECK (strcmp (json_object_to_json_string_ext (result, JSON_C_TO_STRING_PLAIN),
                 "{\"answer\":\"\xe2\x82\xac\"}") == 0);
  CHECK (list[0] == '\0' && is_readable (qmp, 0));
  CHECK (qmp_dispatch (qmp) == 0);
  while (strcmp (list, "FIRST+ SECOND- THIRD- ") != 0) {
    CHECK (is_readable (qmp, ms_left (deadline_ms)));
    CHECK (qmp_dispatch (qmp) == 0);
  }
  CHECK (!is_readable (qmp, 0));
  list[0] = '\0';
  CHECK_FAILS (qmp_call (qmp, "y", NULL, 10000, NULL, &why), EREMOTEIO, &why,
               "QEMU refused y: no?way");
  CHECK (is_readable (qmp, 10000) && qmp_dispatch (qmp) == 0);
  CHECK (strcmp (list, "FOURTH- ") == 0);
  qmp_close (qmp);
  end_peer (&peer);
}

static void
test_schema (void)
{
  struct failure why = { .error = 0 };
  struct peer peer;
  struct qmp *qmp = open_with (&peer, peer_late);

  CHECK (qmp_has_command (qmp, "odd") && qmp_has_command (qmp, "odder"));
  CHECK (!qmp_has_command (qmp, "0"));
  CHECK (qmp_has_member (qmp, "transaction", "actions"));
  CHECK (qmp_has_member (qmp, "transaction", "abort"));
  CHECK_FAILS (qmp_check_needed (qmp, &why), EOPNOTSUPP, &why,
               "lacks query-named-block-nodes");
  CHECK (why.class == FAILURE_QMP_UNSUPPORTED);

  /* A reply that comes too late is not taken for the next one. */
  CHECK_FAILS (qmp_call (qmp, "slow", NULL, 50, NULL, &why), ETIMEDOUT, &why,
               "did not answer slow within");
  CHECK (!qmp_is_lost (qmp));
  CLEANUP_JSON json_object *result = NULL;
  CHECK_OK (qmp_call (qmp, "quick", NULL, 10000, &result, &why), &why);
  CHECK (strcmp (json_object_get_string (result), "in time") == 0);
  qmp_close (qmp);
  end_peer (&peer);
}

static void
check_lost (void (*play) (int fd), int timeout_ms, int error,
            const char *words, const char *reason)
{
  struct failure why = { .error = 0 };
  struct peer peer;
  struct qmp *qmp = open_with (&peer, play);

  CHECK_FAILS (qmp_call (qmp, "x", NULL, timeout_ms, NULL, &why), error, &why,
               words);
  CHECK (qmp_is_lost (qmp) && is_readable (qmp, 0));
  CHECK (qmp_dispatch (qmp) == -ENOTCONN);
  CHECK_FAILS (qmp_call (qmp, "x", json_object_new_object (), 1000, NULL, &why),
               ENOTCONN, &why, reason);
  qmp_close (qmp);
  end_peer (&peer);
}

int
main (void)
{
  make_peer_folder ();
  test_connect ();
  test_queue_full ();
  test_open ();
  test_events ();
  test_schema ();
  check_lost (peer_wrong_id, 10000, ENOTCONN, "is not QMP", "is not QMP");
  check_lost (peer_drops, 10000, ENOTCONN, "has closed it", "has closed it");
  check_lost (peer_stops_amid, 200, ETIMEDOUT, "did not answer x", "middle");
  check_lost (peer_neither, 10000, ENOTCONN, "is not QMP", "is not QMP");
  check_lost (peer_floods, 20000, ENOTCONN, "more events", "more events");
  return 0;
}
