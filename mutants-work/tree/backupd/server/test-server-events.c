/* SPDX-License-Identifier: LGPL-2.1-or-later */
#undef NDEBUG
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server-events.h"
#include "control-message.h"
#include "deadline.h"
#include "failure.h"
#include "json-members.h"

#define DEADLINE_MS 20000
#define LONG_REPLY (8 * 1024 * 1024)

static void
open_pair (int fds[2], struct server_outbox **outbox)
{
  assert (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  *outbox = server_outbox_create (fds[0]);
}

static void
close_pair (int fds[2], struct server_outbox *outbox)
{
  server_outbox_destroy (outbox);
  close (fds[0]);
  close (fds[1]);
}

/* The next message of the client; NULL: the end. */
static json_object *
next (struct json_stream *stream)
{
  struct failure why = { .error = 0 };
  json_object *object = NULL;
  int r = control_message_read (stream, now_ms () + DEADLINE_MS, &object,
                                &why);

  assert (r == 0 || r == -ECONNRESET);
  return object;
}

static bool
is_event (json_object *message, const char *name)
{
  const char *event = json_get_string (message, "event");

  return event != NULL && strcmp (event, name) == 0 &&
         json_object_object_get_ex (message, "timestamp", NULL);
}

static void
test_all_are_told (void)
{
  struct server_outbox *a, *b;
  struct json_stream *stream;
  int one[2], two[2];

  server_events_emit ("NOBODY", NULL);
  open_pair (one, &a);
  open_pair (two, &b);
  server_events_emit ("X", NULL);
  for (int i = 0; i < 2; i++) {
    json_object *message;

    stream = control_message_replies (i == 0 ? one[1] : two[1]);
    message = next (stream);
    assert (is_event (message, "X"));
    json_object_put (message);
    json_stream_destroy (stream);
  }
  close_pair (one, a);
  server_events_emit ("Y", NULL);
  close_pair (two, b);
}

/* Who does not read stops nobody, and never gets half a line followed by
 * another one. */
static void
test_deaf_client (void)
{
  struct server_outbox *outbox;
  struct json_stream *stream;
  json_object *message;
  int fds[2], count = 0;

  open_pair (fds, &outbox);
  for (int i = 0; i < 20000; i++)
    server_events_emit ("X", NULL);
  stream = control_message_replies (fds[1]);
  while ((message = next (stream)) != NULL) {
    assert (is_event (message, "X"));
    json_object_put (message);
    count++;
  }
  assert (count > 0 && count < 20000);
  json_stream_destroy (stream);
  close_pair (fds, outbox);
}

static void *
send_long_reply (void *opaque)
{
  CLEANUP_FREE char *text = malloc (LONG_REPLY + 1);

  assert (text != NULL);
  memset (text, 'x', LONG_REPLY);
  text[LONG_REPLY] = '\0';
  assert (server_outbox_send (opaque, control_message_return (
            json_object_new_string (text), NULL)) == 0);
  return NULL;
}

static void
test_event_waits_for_reply (void)
{
  struct server_outbox *outbox;
  struct json_stream *stream;
  struct pollfd polled;
  json_object *message;
  pthread_t thread;
  int fds[2];

  open_pair (fds, &outbox);
  assert (pthread_create (&thread, NULL, send_long_reply, outbox) == 0);
  polled = (struct pollfd) { .fd = fds[1], .events = POLLIN };
  assert (poll (&polled, 1, DEADLINE_MS) == 1);
  server_events_emit ("X", NULL);
  stream = control_message_replies (fds[1]);
  message = next (stream);
  assert (json_object_object_get_ex (message, "return", NULL));
  json_object_put (message);
  message = next (stream);
  assert (is_event (message, "X"));
  json_object_put (message);
  pthread_join (thread, NULL);
  json_stream_destroy (stream);
  close_pair (fds, outbox);
}

int
main (void)
{
  test_all_are_told ();
  test_deaf_client ();
  test_event_waits_for_reply ();
  return 0;
}
