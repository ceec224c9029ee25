/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The peer may be anything that listens on a unix socket, or a QEMU that its
 * guest has taken over: nothing it sends may block the caller beyond its
 * deadline or take memory without bound.  Bytes go through an incremental
 * parser, so that no message is ever held as text. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "cleanup.h"
#include "deadline.h"
#include "qmp-transport.h"
#include "stop-clock.h"

struct qmp_transport {
  int fd;
  struct json_tokener *tokener;
  size_t bytes, values;         /* of the message being read */
  size_t start, end;            /* bytes not parsed yet */
  char buffer[65536];
};

static int
connect_failure (const char *path, int error, struct failure *why)
{
  struct stat st;

  if (stat (path, &st) == 0 && !S_ISSOCK (st.st_mode))
    return failure_set (why, FAILURE_QMP, ENOTSOCK, "cannot connect to QMP "
                        "socket %s: it is no socket; give the path of QEMU's "
                        "-qmp unix:PATH,server=on,wait=off", path);
  switch (error) {
  case ENOENT:
    return failure_set (why, FAILURE_QMP, error, "cannot connect to QMP "
                        "socket %s: there is no such file (is the VM running, "
                        "and started with -qmp unix:%s,server=on,wait=off?)",
                        path, path);
  case ECONNREFUSED:
    return failure_set (why, FAILURE_QMP, error, "cannot connect to QMP "
                        "socket %s: nobody listens there (is the VM running?)",
                        path);
  case EACCES:
  case EPERM:
    return failure_set (why, FAILURE_QMP, EACCES, "cannot connect to QMP "
                        "socket %s: permission denied; run pullback-backupd as "
                        "root or as QEMU's user", path);
  case EAGAIN:
    return failure_set (why, FAILURE_TIMEOUT, ETIMEDOUT, "QMP socket %s is "
                        "busy: other clients (libvirt?) wait there already; "
                        "give pullback a QMP socket of its own", path);
  default:
    return failure_set (why, FAILURE_QMP, error, "cannot connect to QMP "
                        "socket %s: %s", path, strerror (error));
  }
}

/* Linux answers EAGAIN at once when the listener's queue is full: QEMU serves
 * one client at a time and keeps the next ones waiting there. */
static int
connect_until (int fd, const struct sockaddr_un *address, int64_t deadline_ms)
{
  for (;;) {
    if (connect (fd, (const struct sockaddr *) address, sizeof *address) == 0)
      return 0;
    if (errno == EINTR)
      continue;
    if (errno != EAGAIN || ms_left (deadline_ms) == 0)
      return -errno;
    poll (NULL, 0, ms_left (deadline_ms) < 20 ? ms_left (deadline_ms) : 20);
  }
}

int
qmp_transport_open (const char *path, int64_t deadline_ms,
                    struct qmp_transport **transport, struct failure *why)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  CLEANUP_FD int fd = -1;
  struct qmp_transport *t;
  int r;

  if (path[0] == '\0' || strlen (path) >= sizeof address.sun_path)
    return failure_set (why, FAILURE_BAD_ARGUMENT, ENAMETOOLONG, "the path of "
                        "a QMP socket has 1 to %zu bytes, '%.200s' has not",
                        sizeof address.sun_path - 1, path);
  memcpy (address.sun_path, path, strlen (path) + 1);
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return failure_set (why, FAILURE_GENERIC, errno,
                        "cannot make a socket: %s", strerror (errno));
  r = connect_until (fd, &address, deadline_ms);
  if (r < 0)
    return connect_failure (path, -r, why);

  t = calloc (1, sizeof *t);
  if (t != NULL)
    t->tokener = json_tokener_new_ex (QMP_MESSAGE_DEPTH);
  if (t == NULL || t->tokener == NULL) {
    free (t);
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
  }
  json_tokener_set_flags (t->tokener, JSON_TOKENER_STRICT
                          | JSON_TOKENER_ALLOW_TRAILING_CHARS);
  t->fd = TAKE_FD (fd);
  *transport = t;
  return 0;
}

void
qmp_transport_close (struct qmp_transport *transport)
{
  if (transport == NULL)
    return;
  close (transport->fd);
  json_tokener_free (transport->tokener);
  free (transport);
}

int
qmp_transport_fd (const struct qmp_transport *transport)
{
  return transport->fd;
}

bool
qmp_transport_is_amid (const struct qmp_transport *transport)
{
  return transport->bytes > 0;
}

bool
qmp_transport_has_bytes (const struct qmp_transport *transport)
{
  return transport->start < transport->end;
}

static int
wait_for (int fd, short events, int64_t deadline_ms)
{
  struct pollfd pfd = { .fd = fd, .events = events };
  int r = stop_clock_poll (&pfd, 1, deadline_ms);

  return r < 0 ? r : 0;
}

static int
send_bytes (int fd, const char *data, size_t length, int64_t deadline_ms)
{
  ssize_t n;
  int r;

  while (length > 0) {
    n = send (fd, data, length, MSG_NOSIGNAL);
    if (n >= 0) {
      data += n;
      length -= (size_t) n;
    } else if (errno == EAGAIN) {
      r = wait_for (fd, POLLOUT, deadline_ms);
      if (r < 0)
        return r;
    } else if (errno != EINTR)
      return -errno;
  }
  return 0;
}

int
qmp_transport_send (struct qmp_transport *transport, json_object *message,
                    int64_t deadline_ms)
{
  const char *text;
  int r;

  text = json_object_to_json_string_ext (message, JSON_C_TO_STRING_PLAIN
                                         | JSON_C_TO_STRING_NOSLASHESCAPE);
  if (text == NULL)
    return -ENOMEM;
  r = send_bytes (transport->fd, text, strlen (text), deadline_ms);
  return r < 0 ? r : send_bytes (transport->fd, "\n", 1, deadline_ms);
}

/* Between messages there is only white space. */
static void
skip_space (struct qmp_transport *t)
{
  while (t->start < t->end && strchr (" \t\r\n", t->buffer[t->start]) != NULL
         && t->buffer[t->start] != '\0')
    t->start++;
}

/* Counts what the bytes of this message may cost before they are parsed. */
static int
check_limits (struct qmp_transport *t)
{
  size_t i;

  if (t->bytes == 0 && t->buffer[t->start] != '{')
    return -EPROTO;
  for (i = t->start; i < t->end; i++)
    if (t->buffer[i] == ',' || t->buffer[i] == '[' || t->buffer[i] == '{')
      t->values++;
  if (t->values > QMP_MESSAGE_VALUES
      || t->bytes + (t->end - t->start) > QMP_MESSAGE_BYTES)
    return -EMSGSIZE;
  return 0;
}

/* Feeds the buffer to the parser.  -EAGAIN: more bytes are needed. */
static int
parse_buffer (struct qmp_transport *t, json_object **message)
{
  enum json_tokener_error error;
  json_object *object;
  int r;

  if (t->bytes == 0)
    skip_space (t);
  if (t->start == t->end)
    return -EAGAIN;
  r = check_limits (t);
  if (r < 0)
    return r;
  object = json_tokener_parse_ex (t->tokener, t->buffer + t->start,
                                  (int) (t->end - t->start));
  error = json_tokener_get_error (t->tokener);
  if (error == json_tokener_continue) {
    t->bytes += t->end - t->start;
    t->start = t->end;
    return -EAGAIN;
  }
  if (error != json_tokener_success)
    return error == json_tokener_error_depth ? -EMSGSIZE : -EPROTO;
  t->start += json_tokener_get_parse_end (t->tokener);
  json_tokener_reset (t->tokener);
  t->bytes = t->values = 0;
  if (!json_object_is_type (object, json_type_object)) {
    json_object_put (object);
    return -EPROTO;
  }
  *message = object;
  return 0;
}

int
qmp_transport_receive (struct qmp_transport *transport, int64_t deadline_ms,
                       json_object **message)
{
  struct qmp_transport *t = transport;
  ssize_t n;
  int r;

  for (;;) {
    r = parse_buffer (t, message);
    if (r != -EAGAIN)
      return r;
    t->start = t->end = 0;
    n = recv (t->fd, t->buffer, sizeof t->buffer, 0);
    if (n > 0) {
      t->end = (size_t) n;
      /* A peer that never stops sending does not outlive the deadline. */
      if (deadline_ms != 0 && ms_left (deadline_ms) == 0)
        return -ETIMEDOUT;
    } else if (n == 0)
      return -ECONNRESET;
    else if (errno == EAGAIN) {
      r = wait_for (t->fd, POLLIN, deadline_ms);
      if (r < 0)
        return r;
    } else if (errno != EINTR)
      return -ECONNRESET;
  }
}
