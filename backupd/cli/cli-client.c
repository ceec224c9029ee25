/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The greeting is read before anything is asked: a socket of another program,
 * or of a daemon that refuses us, is told apart from a command that fails. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "cli-client.h"
#include "control-message.h"
#include "deadline.h"
#include "socket.h"

struct cli_client {
  int fd;
  struct json_stream *stream;
};

static const char *
default_path (void)
{
  const char *path = getenv ("PULLBACK_SOCKET");

  return path != NULL && path[0] != '\0' ? path
         : PULLBACK_RUNTIMEDIR "/control.sock";
}

static int
connect_to (const char *path, int *fd, struct failure *why)
{
  int r = socket_connect_unix (path, INT64_MAX, fd);

  if (r == -ENAMETOOLONG)
    return socket_path_failure ("the control socket", path, why);
  if (r < 0)
    return failure_set (why, FAILURE_GENERIC, -r,
                        "cannot reach pullback-backupd at %s: %s (is it "
                        "running? pullback run needs none)", path,
                        g_strerror (-r));
  return 0;
}

static int
read_greeting (struct cli_client *client, const char *path,
               struct failure *why)
{
  struct failure fault = { .error = 0 };
  json_object *greeting = NULL, *result = NULL;
  int r = control_message_read (client->stream,
                                now_ms () + CONTROL_MESSAGE_MS, &greeting,
                                &fault);

  if (r == 0 && !json_object_object_get_ex (greeting, "pullback", NULL)) {
    r = control_message_result (greeting, &result, &fault);
    json_object_put (result);
    if (r == 0)
      r = failure_set (&fault, FAILURE_GENERIC, EPROTO,
                       "it does not greet like pullback-backupd");
  }
  json_object_put (greeting);
  if (r < 0)
    return failure_set (why, fault.class, -r,
                        "pullback-backupd at %s: %s", path, fault.text);
  return 0;
}

int
cli_client_open (const char *socket_path, struct cli_client **client,
                 struct failure *why)
{
  struct cli_client *new;
  int fd = -1;
  int r;

  if (socket_path == NULL)
    socket_path = default_path ();
  r = connect_to (socket_path, &fd, why);
  if (r < 0)
    return r;
  new = g_new0 (struct cli_client, 1);
  new->fd = fd;
  new->stream = control_message_replies (fd);
  if (new->stream == NULL)
    r = failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
  else
    r = read_greeting (new, socket_path, why);
  if (r < 0)
    cli_client_close (new);
  else
    *client = new;
  return r;
}

void
cli_client_close (struct cli_client *client)
{
  if (client == NULL)
    return;
  json_stream_destroy (client->stream);
  close (client->fd);
  g_free (client);
}

/* The next message that is no event. */
static int
read_reply (struct cli_client *client, json_object **reply,
            struct failure *why)
{
  int r;

  for (;;) {
    r = control_message_read (client->stream, INT64_MAX, reply, why);
    if (r < 0 || !json_object_object_get_ex (*reply, "event", NULL))
      return r;
    json_object_put (*reply);
  }
}

int
cli_client_call (struct cli_client *client, const char *verb,
                 json_object *arguments, json_object **reply,
                 json_object **result, struct failure *why)
{
  struct failure fault = { .error = 0 };
  json_object *message = control_message_request (
    verb, arguments == NULL ? NULL : json_object_get (arguments));
  json_object *answer = NULL;
  int r = control_message_write (client->fd, message);

  if (r < 0)
    failure_set (&fault, FAILURE_GENERIC, -r, "%s", g_strerror (-r));
  else
    r = read_reply (client, &answer, &fault);
  if (r < 0)
    return failure_set (why, fault.class, -r,
                        "the connection to pullback-backupd broke during "
                        "%s: %s", verb, fault.text);
  r = control_message_result (answer, result, why);
  if (reply != NULL)
    *reply = answer;
  else
    json_object_put (answer);
  return r;
}
