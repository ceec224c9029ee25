/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The messages of the control protocol (QMP's dialect).
 *
 *   greeting  {"pullback": {"version": "0.1.0"}}
 *   request   {"execute": VERB, "arguments": {...}, "id": ANY}
 *   reply     {"return": {...}, "id": ANY}
 *   error     {"error": {"class": CLASS, "desc": SENTENCE}, "id": ANY}
 *   event     {"event": NAME, "data": {...}}
 *
 * Each is one line.  "arguments" and "id" may be absent.  Makers take over their object
 * arguments (which may be NULL) and return a new object. */
#ifndef PULLBACK_CONTROL_MESSAGE_H
#define PULLBACK_CONTROL_MESSAGE_H

#include <json-c/json.h>

#include "control-commands.h"
#include "failure.h"
#include "json-stream.h"

/* Of a message. */
#define CONTROL_BYTES_MAX (16 * 1024 * 1024)    /* newline included */
#define CONTROL_DEPTH_MAX 32
/* Of a request: as objects they cost about what its text may. */
#define CONTROL_VALUES_MAX 50000

/* Who has begun a message ends it within this, and takes ours. */
#define CONTROL_MESSAGE_MS 30000

/* See json_stream_create.  For the daemon's requests, or for its replies, which may be lists
 * of any length. */
struct json_stream *control_message_requests (int fd);
struct json_stream *control_message_replies (int fd);

/* Reads the next message, whose first byte is waited for until IDLE_UNTIL.
 * Returns what json_stream_read does: after -EBADMSG more can be read. */
int control_message_read (struct json_stream *stream, int64_t idle_until,
                          json_object **message, struct failure *why) WARN_UNUSED;

/* Writes MESSAGE, which it takes over. */
int control_message_write (int fd, json_object *message) WARN_UNUSED;

json_object *control_message_greeting (const char *version);
json_object *control_message_request (const char *verb, json_object *arguments);
json_object *control_message_return (json_object *result, json_object *id);
json_object *control_message_error (const struct failure *why, json_object *id);
json_object *control_message_event (const char *event, json_object *data);

/* Takes REQUEST apart and decodes it by the command table.  ID is borrowed from REQUEST,
 * NULL if absent; it is set on failure too, so that the error can carry it. */
int control_message_parse (json_object *request,
                           struct control_arguments **arguments, json_object **id,
                           struct failure *why) WARN_UNUSED;

/* A reply: 0 and *RESULT (new reference), or the error in *WHY, with
 * -EREMOTEIO.  A message that is no reply: -EPROTO. */
int control_message_result (json_object *reply, json_object **result,
                            struct failure *why) WARN_UNUSED;

#endif
