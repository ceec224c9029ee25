/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A port has no connections that begin and end: the agent may still be
 * answering somebody who has long left, and may have half of a request of his
 * in its parser.  Hence guest-sync-delimited before every command: the byte FF,
 * which is in no JSON text, resets the agent's parser, the FF in its answer
 * ours, and a random number tells our answer from an older one. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent.h"
#include "deadline.h"

#define DELIMITER '\xff'
#define DEPTH_MAX 32

/* --- the line ----------------------------------------------------------------- */

static int
try_connect (struct agent *agent)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  CLEANUP_FD int fd = -1;

  if (strlen (agent->path) >= sizeof address.sun_path)
    return -ENAMETOOLONG;
  memcpy (address.sun_path, agent->path, strlen (agent->path));
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || connect (fd, (struct sockaddr *) &address, sizeof address) < 0)
    return -errno;
  agent->fd = TAKE_FD (fd);
  return 0;
}

int
agent_open (struct agent *agent, const char *path, int64_t deadline,
            struct failure *why)
{
  int r;

  agent->path = path;
  agent->fd = -1;
  agent->length = 0;
  /* EAGAIN: others wait for QEMU to take them, too. */
  while ((r = try_connect (agent)) == -EAGAIN && ms_left (deadline) > 0)
    poll (NULL, 0, 20);
  if (r < 0)
    return failure_set (why, FAILURE_GENERIC, -r, "cannot connect to the guest "
                        "agent's socket %.200s: %s", path, strerror (-r));
  return 0;
}

void
agent_close (struct agent *agent)
{
  if (agent->fd >= 0)
    close (agent->fd);
  agent->fd = -1;
}

static int
wait_for (const struct agent *agent, short events, int64_t deadline)
{
  struct pollfd polled = { .fd = agent->fd, .events = events };
  int n;

  do
    n = poll (&polled, 1, ms_left (deadline));
  while (n < 0 && errno == EINTR);
  return n < 0 ? -errno : n == 0 ? -ETIMEDOUT : 0;
}

static int
send_text (const struct agent *agent, const char *text, int64_t deadline)
{
  size_t length = strlen (text);

  while (length > 0) {
    ssize_t n = send (agent->fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    int r = 0;

    if (n >= 0) {
      text += n;
      length -= (size_t) n;
    } else if (errno == EAGAIN)
      r = wait_for (agent, POLLOUT, deadline);
    else if (errno != EINTR)
      r = -errno;
    if (r < 0)
      return r;
  }
  return 0;
}

/* More bytes into the buffer. */
static int
receive (struct agent *agent, int64_t deadline)
{
  ssize_t n;
  int r = wait_for (agent, POLLIN, deadline);

  if (r < 0)
    return r;
  if (agent->length == sizeof agent->buffer)
    return -EPROTO;
  n = recv (agent->fd, agent->buffer + agent->length,
            sizeof agent->buffer - agent->length, MSG_DONTWAIT);
  if (n == 0)
    return -ECONNRESET;
  if (n < 0)
    return errno == EINTR || errno == EAGAIN ? 0 : -errno;
  agent->length += (size_t) n;
  return 0;
}

static void
drop (struct agent *agent, size_t n)
{
  agent->length -= n;
  memmove (agent->buffer, agent->buffer + n, agent->length);
}

/* Throws away what comes before the next delimiter, and that. */
static int
skip_to_delimiter (struct agent *agent, int64_t deadline)
{
  for (;;) {
    char *found = memchr (agent->buffer, DELIMITER, agent->length);
    int r;

    if (found != NULL) {
      drop (agent, (size_t) (found - agent->buffer) + 1);
      return 0;
    }
    agent->length = 0;
    r = receive (agent, deadline);
    if (r < 0)
      return r;
  }
}

/* The next line as a JSON object, a new reference. */
static int
receive_object (struct agent *agent, int64_t deadline, json_object **object)
{
  json_tokener *tokener;
  char *newline;
  int r = 0;

  while ((newline = memchr (agent->buffer, '\n', agent->length)) == NULL &&
         r == 0)
    r = receive (agent, deadline);
  if (r < 0)
    return r;
  tokener = json_tokener_new_ex (DEPTH_MAX);
  if (tokener == NULL)
    return -ENOMEM;
  *object = json_tokener_parse_ex (tokener, agent->buffer,
                                   (int) (newline - agent->buffer) + 1);
  json_tokener_free (tokener);
  drop (agent, (size_t) (newline - agent->buffer) + 1);
  if (json_object_is_type (*object, json_type_object))
    return 0;
  json_object_put (*object);
  *object = NULL;
  return -EPROTO;
}

/* --- calls ---------------------------------------------------------------------- */

/* Waits for the answer to guest-sync-delimited with ID. */
static int
receive_sync (struct agent *agent, int64_t id, int64_t deadline)
{
  for (;;) {
    json_object *object = NULL, *value;
    bool ours;
    int r = skip_to_delimiter (agent, deadline);

    if (r == 0)
      r = receive_object (agent, deadline, &object);
    /* What follows an old delimiter may be anything. */
    if (r < 0 && r != -EPROTO)
      return r;
    ours = r == 0 && json_object_object_get_ex (object, "return", &value) &&
      json_object_is_type (value, json_type_int) &&
      json_object_get_int64 (value) == id;
    json_object_put (object);
    if (ours)
      return 0;
  }
}

static int
take_result (json_object *reply, const char *verb, json_object **result,
             struct failure *why)
{
  json_object *value, *text = NULL;

  if (json_object_object_get_ex (reply, "return", &value)) {
    *result = json_object_get (value);
    return 0;
  }
  if (!json_object_object_get_ex (reply, "error", &value))
    return -EPROTO;
  json_object_object_get_ex (value, "desc", &text);
  return failure_set (why, FAILURE_GENERIC, EREMOTEIO, "the guest agent refuses "
                      "%s: %.400s", verb, json_object_is_type (text,
                      json_type_string) ? json_object_get_string (text) : "?");
}

static int
call (struct agent *agent, const char *verb, int64_t deadline,
      json_object **result, struct failure *why)
{
  json_object *reply = NULL;
  char text[256];
  uint32_t random;
  int64_t id;
  int r;

  if (getrandom (&random, sizeof random, 0) != sizeof random)
    return -EIO;
  id = random;
  snprintf (text, sizeof text, "%c{\"execute\": \"guest-sync-delimited\", "
            "\"arguments\": {\"id\": %" PRIi64 "}}\n{\"execute\": \"%s\"}\n",
            DELIMITER, id, verb);
  r = send_text (agent, text, deadline);
  if (r == 0)
    r = receive_sync (agent, id, deadline);
  if (r == 0)
    r = receive_object (agent, deadline, &reply);
  if (r == 0)
    r = take_result (reply, verb, result, why);
  json_object_put (reply);
  return r;
}

int
agent_call (struct agent *agent, const char *verb, int64_t deadline,
            json_object **result, struct failure *why)
{
  int r = call (agent, verb, deadline, result, why);

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
