/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "control-line.h"
#include "deadline.h"

#define KEPT_BYTES 65536

struct control_line {
  int fd;
  char *buffer;
  size_t size;                  /* allocated */
  size_t filled;                /* bytes in buffer */
  size_t searched;              /* bytes known to hold no newline */
};

struct control_line *
control_line_create (int fd)
{
  struct control_line *line = calloc (1, sizeof *line);

  if (line == NULL)
    return NULL;
  line->fd = fd;
  return line;
}

void
control_line_destroy (struct control_line *line)
{
  if (line == NULL)
    return;
  free (line->buffer);
  free (line);
}

static int
wait_for (int fd, short events, int64_t deadline)
{
  struct pollfd p = { .fd = fd, .events = events };

  for (;;) {
    int n = poll (&p, 1, deadline < 0 ? -1 : ms_left (deadline));

    if (n > 0)
      return 0;
    if (n == 0)
      return -ETIMEDOUT;
    if (errno != EINTR)
      return -errno;
  }
}

static int
make_room (struct control_line *line)
{
  size_t size = line->size == 0 ? 4096 : line->size * 2;
  char *buffer;

  if (line->filled < line->size)
    return 0;
  if (line->filled >= CONTROL_LINE_MAX)
    return -EMSGSIZE;
  buffer = realloc (line->buffer, size);
  if (buffer == NULL)
    return -ENOMEM;
  line->buffer = buffer;
  line->size = size;
  return 0;
}

/* Receives some bytes more. */
static int
fill (struct control_line *line, int64_t deadline)
{
  ssize_t n;
  int r = make_room (line);

  if (r < 0)
    return r;
  do {
    r = wait_for (line->fd, POLLIN, deadline);
    if (r < 0)
      return r;
    n = recv (line->fd, line->buffer + line->filled,
              line->size - line->filled, MSG_DONTWAIT);
  } while (n < 0 && (errno == EINTR || errno == EAGAIN));
  if (n < 0)
    return -errno;
  if (n == 0)
    return line->filled == 0 ? -ENOTCONN : -ECONNRESET;
  line->filled += (size_t) n;
  return 0;
}

/* The length of the first line with its newline; 0: not there yet. */
static size_t
find_line (struct control_line *line)
{
  char *newline;

  if (line->filled == line->searched)
    return 0;
  newline = memchr (line->buffer + line->searched, '\n',
                    line->filled - line->searched);
  line->searched = line->filled;
  return newline == NULL ? 0 : (size_t) (newline - line->buffer) + 1;
}

static void
drop_line (struct control_line *line, size_t length)
{
  memmove (line->buffer, line->buffer + length, line->filled - length);
  line->filled -= length;
  line->searched = 0;
  /* Who sent a long line once may stay for long. */
  if (line->filled == 0 && line->size > KEPT_BYTES) {
    free (line->buffer);
    line->buffer = NULL;
    line->size = 0;
  }
}

static bool
is_blank (const char *text, size_t length)
{
  for (; length > 0; text++, length--)
    if (strchr (" \t\r\n", *text) == NULL || *text == '\0')
      return false;
  return true;
}

static int
parse_object (const char *text, size_t length, json_object **object,
              struct failure *why)
{
  json_tokener *tokener = json_tokener_new_ex (CONTROL_DEPTH_MAX);
  enum json_tokener_error error;
  json_object *parsed;
  size_t end;

  if (tokener == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
  json_tokener_set_flags (tokener, JSON_TOKENER_STRICT |
                          JSON_TOKENER_VALIDATE_UTF8 |
                          JSON_TOKENER_ALLOW_TRAILING_CHARS);
  parsed = json_tokener_parse_ex (tokener, text, (int) length);
  error = json_tokener_get_error (tokener);
  end = json_tokener_get_parse_end (tokener);
  json_tokener_free (tokener);

  if (error == json_tokener_success && is_blank (text + end, length - end) &&
      json_object_is_type (parsed, json_type_object)) {
    *object = parsed;
    return 0;
  }
  json_object_put (parsed);
  return failure_set (why, FAILURE_BAD_ARGUMENT, EBADMSG,
                      "not a JSON object on one line: %s",
                      error == json_tokener_success ? "something else"
                      : error == json_tokener_continue ? "it ends too early"
                      : json_tokener_error_desc (error));
}

static int
read_failed (int r, struct failure *why)
{
  switch (r) {
  case -EMSGSIZE:
    return failure_set (why, FAILURE_BAD_ARGUMENT, EMSGSIZE,
                        "a line is longer than %d bytes", CONTROL_LINE_MAX);
  case -ENOTCONN:
    return failure_set (why, FAILURE_GENERIC, ENOTCONN,
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
control_line_read (struct control_line *line, int idle_ms, int line_ms,
                   json_object **object, struct failure *why)
{
  int64_t idle = idle_ms < 0 ? -1 : now_ms () + idle_ms;
  int64_t deadline = -1;
  size_t length;
  int r;

  for (;;) {
    length = find_line (line);
    if (length > 0) {
      if (is_blank (line->buffer, length)) {
        drop_line (line, length);
        deadline = -1;
        continue;
      }
      r = parse_object (line->buffer, length, object, why);
      drop_line (line, length);
      return r;
    }
    if (deadline < 0 && line->filled > 0 && line_ms >= 0)
      deadline = now_ms () + line_ms;
    r = fill (line, line->filled == 0 ? idle : deadline);
    if (r < 0)
      return read_failed (r, why);
  }
}

int
control_line_write (int fd, json_object *object, int timeout_ms)
{
  int64_t deadline = timeout_ms < 0 ? -1 : now_ms () + timeout_ms;
  size_t length, done = 0;
  const char *text = json_object_to_json_string_length (
    object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);

  if (text == NULL)
    return -ENOMEM;
  /* The newline goes out with the text: DONE counts both. */
  while (done <= length) {
    struct iovec parts[2] = { { (char *) text + done, length - done },
                              { (char *) "\n", 1 } };
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
    ssize_t n = sendmsg (fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n >= 0)
      done += (size_t) n;
    else if (errno == EAGAIN) {
      int r = wait_for (fd, POLLOUT, deadline);
      if (r < 0)
        return r;
    }
    else if (errno != EINTR)
      return -errno;
  }
  return 0;
}
