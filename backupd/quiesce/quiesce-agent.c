/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A port of ours has no connections that begin and end: the agent may still be
 * answering somebody who has long left, and may have half of a request of his
 * in its parser.  Hence guest-sync-delimited before every command: the byte FF,
 * which is in no JSON text, resets the agent's parser, the FF in its answer
 * ours, and a random number tells our answer from an older one.  libvirt does that
 * for its ports. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>
#include <sys/random.h>
#include <unistd.h>

#include "deadline.h"
#include "json-members.h"
#include "libvirt-agent.h"
#include "quiesce-agent.h"
#include "socket.h"

#define DELIMITER '\xff'

/* Replies of the commands that we use are short.  Their texts may be in any
 * encoding, and a guest that has thawed must not seem frozen for that. */
static const struct json_stream_rules rules = {
  .bytes = 65536, .values = 65536, .depth = 32, .lines = true,
  .lenient = true
};

int
quiesce_agent_open (struct quiesce_agent *agent, const char *path,
                    int64_t deadline, struct failure *why)
{
  bool by_libvirt = libvirt_agent_is (path);
  int r = by_libvirt
          ? libvirt_agent_start (path, &agent->program, &agent->fd, why)
          : socket_connect_unix (path, deadline, &agent->fd);

  agent->path = path;
  if (r < 0 && by_libvirt)
    return r;
  if (r == 0) {
    agent->stream = json_stream_create (agent->fd, &rules);
    r = agent->stream == NULL ? -ENOMEM : 0;
  }
  if (r == 0)
    return 0;
  quiesce_agent_close (agent);
  if (r == -ENAMETOOLONG)
    return socket_path_failure ("the guest agent's socket", path, why);
  return failure_set (why, FAILURE_GENERIC, -r, "cannot connect to the guest "
                      "agent's socket %.200s: %s", path, strerror (-r));
}

void
quiesce_agent_close (struct quiesce_agent *agent)
{
  json_stream_destroy (agent->stream);
  if (agent->fd >= 0)
    close (agent->fd);
  libvirt_agent_stop (&agent->program);
  *agent = (struct quiesce_agent) { .fd = -1 };
}

/* Waits for the answer to guest-sync-delimited with ID. */
static int
receive_sync (struct quiesce_agent *agent, uint64_t id, int64_t deadline)
{
  for (;;) {
    CLEANUP_JSON json_object *object = NULL;
    int r = json_stream_skip_past (agent->stream, DELIMITER, deadline);

    if (r == 0)
      r = json_stream_read (agent->stream, deadline, &object);
    /* What follows an old delimiter may be anything. */
    if (r < 0 && r != -EBADMSG && r != -EMSGSIZE)
      return r;
    if (json_get_u64 (object, "return") == id)
      return 0;
  }
}

static int
take_result (json_object *reply, const char *verb, json_object **result,
             struct failure *why)
{
  json_object *value;
  const char *text;

  if (json_object_object_get_ex (reply, "return", &value)) {
    *result = json_object_get (value);
    return 0;
  }
  if (!json_object_object_get_ex (reply, "error", &value))
    return -EPROTO;
  text = json_get_string (value, "desc");
  return failure_set (why, FAILURE_GENERIC, EREMOTEIO, "the guest agent refuses "
                      "%s: %.400s", verb, text == NULL ? "?" : text);
}

static int
call (struct quiesce_agent *agent, const char *verb, int64_t deadline,
      json_object **result, struct failure *why)
{
  CLEANUP_JSON json_object *reply = NULL;
  char text[256];
  uint32_t id;
  int r;

  if (getrandom (&id, sizeof id, 0) != sizeof id)
    return -EIO;
  id |= 1;                      /* 0 is what no number reads as */
  snprintf (text, sizeof text, "%c{\"execute\": \"guest-sync-delimited\", "
            "\"arguments\": {\"id\": %" PRIu32 "}}\n{\"execute\": \"%s\"}\n",
            DELIMITER, id, verb);
  r = socket_send (agent->fd, text, strlen (text), deadline);
  if (r == 0)
    r = receive_sync (agent, id, deadline);
  if (r == 0)
    r = json_stream_read (agent->stream, deadline, &reply);
  if (r == 0)
    r = take_result (reply, verb, result, why);
  return r == -EBADMSG || r == -EMSGSIZE ? -EPROTO : r;
}

/* libvirt speaks to the agent, and gives up by itself a little before we do: else
 * nobody else could speak to it. */
static int
call_by_libvirt (struct quiesce_agent *agent, const char *verb,
                 int64_t deadline, json_object **result, struct failure *why)
{
  CLEANUP_JSON json_object *command = json_with ("execute", verb);
  CLEANUP_JSON json_object *reply = NULL;
  json_object *error;
  int r;

  json_add_u64 (command, "id", ++agent->asked);
  json_add_i64 (command, "timeout", MAX (ms_left (deadline) / 1000, 1));
  r = json_stream_write (agent->fd, command, deadline);
  if (r == 0)
    r = json_stream_read (agent->stream, deadline + LIBVIRT_AGENT_GRACE_MS, &reply);
  if (r < 0)
    return r;
  error = json_get_object (reply, "error");
  if (error == NULL || json_get_u64 (error, "errno") == 0)
    return take_result (reply, verb, result, why);
  return failure_set (why, FAILURE_GENERIC, (int) json_get_u64 (error, "errno"),
                      "%.900s", json_get_string (error, "desc"));
}

int
quiesce_agent_call (struct quiesce_agent *agent, const char *verb,
                    int64_t deadline, json_object **result,
                    struct failure *why)
{
  int r;

  if (libvirt_agent_is (agent->path)) {
    r = call_by_libvirt (agent, verb, deadline, result, why);
    /* Whatever it still waits for. */
    if (r < 0 && r != -EREMOTEIO)
      quiesce_agent_close (agent);
    return r;
  }
  r = call (agent, verb, deadline, result, why);
  if (r == -ETIMEDOUT)
    failure_set (why, FAILURE_TIMEOUT, ETIMEDOUT, "the guest agent at %.200s "
                 "does not answer to %s: see that it runs in the guest and "
                 "that nobody else is connected to its socket", agent->path,
                 verb);
  else if (r == -EPROTO)
    failure_set (why, FAILURE_GENERIC, EPROTO, "what answers at %.200s is not "
                 "a guest agent", agent->path);
  else if (r < 0)
    failure_set (why, FAILURE_GENERIC, -r, "the line to the guest agent at "
                 "%.200s broke during %s: %s", agent->path, verb,
                 strerror (-r));
  return r;
}
