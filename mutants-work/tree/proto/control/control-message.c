/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Both ends make and read messages here, with limits such that whatever one has
 * to say fits into what the other takes. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "control-message.h"
#include "deadline.h"
#include "json-members.h"

struct json_stream *
control_message_requests (int fd)
{
  static const struct json_stream_rules rules = {
    .bytes = CONTROL_BYTES_MAX, .values = CONTROL_VALUES_MAX,
    .depth = CONTROL_DEPTH_MAX, .lines = true
  };

  return json_stream_create (fd, &rules);
}

struct json_stream *
control_message_replies (int fd)
{
  static const struct json_stream_rules rules = {
    .bytes = CONTROL_BYTES_MAX, .values = CONTROL_BYTES_MAX,
    .depth = CONTROL_DEPTH_MAX, .lines = true
  };

  return json_stream_create (fd, &rules);
}

int
control_message_read (struct json_stream *stream, int64_t idle_until,
                      json_object **message, struct failure *why)
{
  int r = json_stream_wait (stream, idle_until);

  if (r == 0)
    r = json_stream_read (stream, now_ms () + CONTROL_MESSAGE_MS, message);
  switch (r) {
  case 0:
    return 0;
  case -EBADMSG:
    return failure_set (why, FAILURE_BAD_ARGUMENT, EBADMSG,
                        "not a JSON object on one line: %s",
                        json_stream_problem (stream));
  case -EMSGSIZE:
    return failure_set (why, FAILURE_BAD_ARGUMENT, EMSGSIZE,
                        "a line is longer than %d bytes, or has more than %d "
                        "values", CONTROL_BYTES_MAX, CONTROL_VALUES_MAX);
  case -ECONNRESET:
    return failure_set (why, FAILURE_GENERIC, ECONNRESET,
                        "the other side has closed the connection");
  case -ETIMEDOUT:
    return failure_set (why, FAILURE_TIMEOUT, ETIMEDOUT,
                        "the other side did not finish a line in time");
  default:
    return failure_set (why, FAILURE_GENERIC, -r, "cannot read: %s",
                        strerror (-r));
  }
}

int
control_message_write (int fd, json_object *message)
{
  int r = json_stream_write (fd, message, now_ms () + CONTROL_MESSAGE_MS);

  json_object_put (message);
  return r;
}

static json_object *
message_create (const char *key, json_object *value, json_object *id)
{
  json_object *message = json_object_new_object ();

  json_object_object_add (message, key, value);
  if (id != NULL)
    json_object_object_add (message, "id", id);
  return message;
}

json_object *
control_message_greeting (const char *version)
{
  return message_create ("pullback", json_with ("version", version), NULL);
}

json_object *
control_message_request (const char *verb, json_object *arguments)
{
  json_object *message = json_with ("execute", verb);

  if (arguments != NULL)
    json_object_object_add (message, "arguments", arguments);
  return message;
}

json_object *
control_message_return (json_object *result, json_object *id)
{
  return message_create ("return",
                         result != NULL ? result : json_object_new_object (),
                         id);
}

json_object *
control_message_error (const struct failure *why, json_object *id)
{
  json_object *error = json_with ("class", failure_class_name (why->class));

  json_add_string (error, "desc", why->text);
  return message_create ("error", error, id);
}

json_object *
control_message_event (const char *event, json_object *data)
{
  json_object *message = json_with ("event", event);

  json_object_object_add (message, "data",
                          data != NULL ? data : json_object_new_object ());
  return message;
}

static int
check_keys (json_object *request, struct failure *why)
{
  char quoted[CONTROL_QUOTE_MAX];

  json_object_object_foreach (request, key, value) {
    (void) value;
    if (strcmp (key, "execute") != 0 && strcmp (key, "arguments") != 0 &&
        strcmp (key, "id") != 0)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                          "a request has no member \"%s\"",
                          control_quote (key, quoted));
  }
  return 0;
}

int
control_message_parse (json_object *request,
                       struct control_arguments **arguments, json_object **id,
                       struct failure *why)
{
  const struct control_command *command;
  char quoted[CONTROL_QUOTE_MAX];
  json_object *given = NULL;
  const char *verb;
  int r;

  *id = NULL;
  json_object_object_get_ex (request, "id", id);
  r = check_keys (request, why);
  if (r < 0)
    return r;
  verb = json_get_string (request, "execute");
  if (verb == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "a request needs \"execute\" with the name of a "
                        "command");
  command = control_command_find (verb);
  if (command == NULL || command->kind == CONTROL_LOCAL)
    return failure_set (why, FAILURE_COMMAND_NOT_FOUND, ENOSYS,
                        "there is no command \"%s\"",
                        control_quote (verb, quoted));
  if (json_object_object_get_ex (request, "arguments", &given) &&
      given == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "arguments of %s must be an object", verb);
  return control_arguments_decode (command, given, arguments, why);
}

int
control_message_result (json_object *reply, json_object **result,
                        struct failure *why)
{
  json_object *value;
  const char *class, *text;

  if (json_object_object_get_ex (reply, "return", &value)) {
    *result = json_object_get (value);
    return 0;
  }
  value = json_get_object (reply, "error");
  class = json_get_string (value, "class");
  text = json_get_string (value, "desc");
  if (class == NULL || text == NULL)
    return failure_set (why, FAILURE_GENERIC, EPROTO,
                        "the daemon sent something that is not a reply");
  return failure_set (why, failure_class_from_name (class), EREMOTEIO, "%s",
                      text);
}
