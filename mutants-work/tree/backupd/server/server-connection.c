/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may call is asked of the kernel, beside the mode of the socket: a folder
 * may be opened up by mistake, and what a client asks for is done as the
 * daemon's user.  A line that is no request is answered, and the next one read. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib.h>

#include "server-connection.h"
#include "server-events.h"
#include "control-message.h"
#include "log.h"
#include "requests.h"

int
server_connection_check (int fd, struct failure *why)
{
  struct ucred peer;
  socklen_t length = sizeof peer;

  if (getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
    return failure_set (why, FAILURE_GENERIC, errno,
                        "cannot tell who is calling: %s", g_strerror (errno));
  if (peer.uid == 0 || peer.uid == geteuid ())
    return 0;
  return failure_set (why, FAILURE_GENERIC, EPERM,
                      "user %u may not use the control socket, only root and "
                      "the daemon's own user may", (unsigned) peer.uid);
}

void
server_connection_refuse (int fd, const struct failure *why)
{
  if (control_message_write (fd, control_message_error (why, NULL)) < 0)
    log_debug ("a refused control client had left");
}

static json_object *
answer (struct domain_registry *registry, json_object *request)
{
  struct control_arguments *arguments = NULL;
  json_object *id, *result = NULL;
  struct failure why = { .error = 0 };
  int r = control_message_parse (request, &arguments, &id, &why);

  if (r == 0) {
    log_debug ("control: %s", arguments->command->verb);
    r = requests_answer (registry, arguments, &result, &why);
  }
  control_arguments_free (arguments);
  /* A sentence is owed even where one was forgotten. */
  if (r < 0)
    failure_set (&why, FAILURE_GENERIC, -r, "%s", g_strerror (-r));
  if (id != NULL)
    json_object_get (id);
  return r < 0 ? control_message_error (&why, id)
               : control_message_return (result, id);
}

/* Reads and answers one request; false: the connection is over. */
static bool
serve_one (struct server_outbox *outbox, struct json_stream *stream,
           struct domain_registry *registry,
           void (*on_idle) (void *opaque, bool is_idle), void *opaque)
{
  struct failure why = { .error = 0 };
  json_object *request = NULL, *reply;
  int r;

  on_idle (opaque, true);
  r = control_message_read (stream, INT64_MAX, &request, &why);
  on_idle (opaque, false);
  if (r == 0) {
    reply = answer (registry, request);
    json_object_put (request);
    return server_outbox_send (outbox, reply) == 0;
  }
  if (r == -ECONNRESET)
    return false;
  if (server_outbox_send (outbox, control_message_error (&why, NULL)) < 0)
    return false;
  return r == -EBADMSG;
}

void
server_connection_serve (int fd, struct domain_registry *registry,
                          void (*on_idle) (void *opaque, bool is_idle),
                          void *opaque)
{
  struct json_stream *stream = control_message_requests (fd);

  if (stream != NULL &&
      control_message_write (fd, control_message_greeting (PACKAGE_VERSION)) == 0) {
    struct server_outbox *outbox = server_outbox_create (fd);

    while (serve_one (outbox, stream, registry, on_idle, opaque))
      ;
    server_outbox_destroy (outbox);
  }
  json_stream_destroy (stream);
}
