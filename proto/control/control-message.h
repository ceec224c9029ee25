/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The messages of the control protocol (QMP's dialect).
 *
 *   greeting  {"pullback": {"version": "0.1.0"}}
 *   request   {"execute": VERB, "arguments": {...}, "id": ANY}
 *   reply     {"return": {...}, "id": ANY}
 *   error     {"error": {"class": CLASS, "desc": SENTENCE}, "id": ANY}
 *   event     {"event": NAME, "data": {...}}
 *
 * "arguments" and "id" may be absent.  Makers take over their object
 * arguments (which may be NULL) and return a new object. */
#ifndef PULLBACK_CONTROL_MESSAGE_H
#define PULLBACK_CONTROL_MESSAGE_H

#include <json-c/json.h>

#include "control-commands.h"
#include "failure.h"

json_object *control_message_greeting (const char *version);
json_object *control_message_request (const char *verb, json_object *arguments);
json_object *control_message_return (json_object *result, json_object *id);
json_object *control_message_error (const struct failure *why, json_object *id);
json_object *control_message_event (const char *event, json_object *data);

/* Takes REQUEST apart and checks it against the command table.  ARGUMENTS
 * and ID are borrowed from REQUEST, NULL if absent; ID is set on failure too,
 * so that the error can carry it. */
int control_message_parse (json_object *request,
                           const struct control_command **command,
                           json_object **arguments, json_object **id,
                           struct failure *why) WARN_UNUSED;

/* A reply: 0 and *RESULT (new reference), or the error in *WHY, with
 * -EREMOTEIO.  A message that is no reply: -EPROTO. */
int control_message_result (json_object *reply, json_object **result,
                            struct failure *why) WARN_UNUSED;

#endif
