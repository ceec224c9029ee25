/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes go through json-c's incremental parser as they come, so that no object
 * is ever held as text.  It checks UTF-8 only within what it is given at once,
 * and a character may come in two pieces: hence the check of our own. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "deadline.h"
#include "json-stream.h"
#include "socket.h"

#define BUFFER_BYTES 65536

struct json_stream {
  int fd;
  const struct json_stream_rules *rules;
  json_tokener *tokener;
  json_object *object;          /* of a line whose end has not come */
  const char *problem;          /* with the object, or NULL */
  bool is_deep;                 /* that is it */
  unsigned continuation;        /* bytes that the UTF-8 character still lacks */
  size_t bytes, values;         /* of the object being read */
  size_t start, end;            /* what is received and was not looked at */
  char *buffer;                 /* NULL while the peer is idle */
};

struct json_stream *
json_stream_create (int fd, const struct json_stream_rules *rules)
{
  struct json_stream *stream = calloc (1, sizeof *stream);

  if (stream == NULL)
    return NULL;
  stream->tokener = json_tokener_new_ex (rules->depth);
  if (stream->tokener == NULL) {
    free (stream);
    return NULL;
  }
  json_tokener_set_flags (stream->tokener, JSON_TOKENER_STRICT
                          | JSON_TOKENER_ALLOW_TRAILING_CHARS);
  stream->fd = fd;
  stream->rules = rules;
  return stream;
}

void
json_stream_destroy (struct json_stream *stream)
{
  if (stream == NULL)
    return;
  json_object_put (stream->object);
  json_tokener_free (stream->tokener);
  free (stream->buffer);
  free (stream);
}

bool
json_stream_is_amid (const struct json_stream *stream)
{
  return stream->bytes > 0;
}

bool
json_stream_has_bytes (const struct json_stream *stream)
{
  return stream->start < stream->end;
}

const char *
json_stream_problem (const struct json_stream *stream)
{
  return stream->problem == NULL ? "nothing" : stream->problem;
}

/* The next bytes belong to another object. */
static void
start_anew (struct json_stream *stream)
{
  json_object_put (stream->object);
  stream->object = NULL;
  json_tokener_reset (stream->tokener);
  stream->bytes = stream->values = 0;
  stream->continuation = 0;
}

/* Receives when all is looked at. */
static int
fill (struct json_stream *stream, int64_t deadline_ms)
{
  ssize_t n;
  int r = 0;

  stream->start = stream->end = 0;
  if (stream->buffer == NULL)
    stream->buffer = malloc (BUFFER_BYTES);
  if (stream->buffer == NULL)
    return -ENOMEM;
  do {
    n = recv (stream->fd, stream->buffer, BUFFER_BYTES, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
      r = socket_wait (stream->fd, POLLIN, deadline_ms);
    else if (n < 0 && errno != EINTR)
      r = -errno;
  } while (n < 0 && r == 0);
  if (n == 0)
    return -ECONNRESET;
  if (r < 0)
    return r;
  stream->end = (size_t) n;
  /* A peer that never stops sending does not outlive the deadline. */
  return deadline_ms != 0 && ms_left (deadline_ms) == 0 ? -ETIMEDOUT : 0;
}

static size_t
count_blanks (const char *text, size_t length)
{
  size_t n = 0;

  while (n < length && memchr (" \t\r\n", text[n], 4) != NULL)
    n++;
  return n;
}

static void
set_problem (struct json_stream *stream, const char *problem)
{
  if (stream->problem == NULL)
    stream->problem = problem;
}

/* Returns how many of the bytes belong to the object. */
static size_t
parse (struct json_stream *stream, const char *text, size_t length)
{
  enum json_tokener_error error;

  if (stream->object != NULL || stream->problem != NULL)
    return 0;
  stream->object = json_tokener_parse_ex (stream->tokener, text, (int) length);
  error = json_tokener_get_error (stream->tokener);
  if (error == json_tokener_continue)
    return length;
  stream->is_deep = error == json_tokener_error_depth;
  if (error != json_tokener_success)
    set_problem (stream, json_tokener_error_desc (error));
  else if (!json_object_is_type (stream->object, json_type_object))
    set_problem (stream, "something else");
  return json_tokener_get_parse_end (stream->tokener);
}

/* What the bytes cost, and whether they are UTF-8. */
static void
inspect (struct json_stream *stream, const char *text, size_t length)
{
  /* What is not parsed any more costs nothing. */
  bool is_parsed = stream->problem == NULL, is_utf8 = true;
  size_t i;

  for (i = 0; i < length; i++) {
    unsigned char c = (unsigned char) text[i];

    stream->values += is_parsed && (c == ',' || c == '[' || c == '{');
    if (stream->continuation > 0) {
      is_utf8 &= (c & 0xc0) == 0x80;
      stream->continuation--;
    } else {
      is_utf8 &= c < 0x80 || (c >= 0xc0 && c < 0xf8);
      stream->continuation = c < 0xc0 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    }
  }
  if (!is_utf8 && !stream->rules->lenient)
    set_problem (stream, "invalid utf-8 string");
  stream->bytes += length;
}

/* The object, or what is wrong with it. */
static int
finish (struct json_stream *stream, json_object **object)
{
  bool is_good = stream->problem == NULL;

  if (is_good)
    *object = TAKE_PTR (stream->object);
  start_anew (stream);
  return is_good ? 0 : stream->is_deep && !stream->rules->lines ? -EMSGSIZE
         : -EBADMSG;
}

/* Looks at what is received, up to the end of an object.  -EAGAIN: that has
 * not come. */
static int
take (struct json_stream *stream, json_object **object)
{
  const struct json_stream_rules *rules = stream->rules;
  const char *text = stream->buffer + stream->start, *newline = NULL;
  size_t length = stream->end - stream->start, used;

  if (rules->lines)
    newline = memchr (text, '\n', length);
  if (newline != NULL)
    length = (size_t) (newline - text) + 1;
  used = parse (stream, text, length);
  if (rules->lines && !rules->lenient
      && count_blanks (text + used, length - used) < length - used)
    set_problem (stream, "something else");
  if (newline != NULL && stream->object == NULL)
    set_problem (stream, "it ends too early");
  if (stream->bytes == 0 && text[0] != '{')
    set_problem (stream, "something else");
  if (rules->lines)
    used = length;
  inspect (stream, text, used);
  /* Not taken then: json_stream_skip_past may find its byte here. */
  if (stream->bytes > rules->bytes || stream->values > rules->values)
    return -EMSGSIZE;
  stream->start += used;
  if (rules->lines ? newline != NULL
      : stream->object != NULL || stream->problem != NULL)
    return finish (stream, object);
  return -EAGAIN;
}

/* To the first byte of an object.  False: it has not come. */
static bool
find_start (struct json_stream *stream)
{
  if (stream->bytes == 0 && stream->start < stream->end) {
    stream->start += count_blanks (stream->buffer + stream->start,
                                   stream->end - stream->start);
    stream->problem = NULL;
    stream->is_deep = false;
  }
  return stream->start < stream->end;
}

int
json_stream_wait (struct json_stream *stream, int64_t deadline_ms)
{
  int r;

  while (!find_start (stream)) {
    stream->start = stream->end = 0;
    free (TAKE_PTR (stream->buffer));
    r = socket_wait_patiently (stream->fd, POLLIN, deadline_ms);
    if (r < 0)
      return r;
    r = fill (stream, 0);
    if (r < 0 && r != -ETIMEDOUT)
      return r;
  }
  return 0;
}

int
json_stream_read (struct json_stream *stream, int64_t deadline_ms,
                  json_object **object)
{
  int r;

  for (;;) {
    r = find_start (stream) ? take (stream, object) : -EAGAIN;
    if (r != -EAGAIN)
      return r;
    r = fill (stream, deadline_ms);
    if (r < 0)
      return r;
  }
}

int
json_stream_skip_past (struct json_stream *stream, char byte,
                       int64_t deadline_ms)
{
  const char *found;
  int r;

  start_anew (stream);
  for (;;) {
    found = stream->start == stream->end ? NULL
            : memchr (stream->buffer + stream->start, byte,
                      stream->end - stream->start);
    if (found != NULL) {
      stream->start = (size_t) (found - stream->buffer) + 1;
      return 0;
    }
    r = fill (stream, deadline_ms);
    if (r < 0)
      return r;
  }
}

int
json_stream_write (int fd, json_object *object, int64_t deadline_ms)
{
  return json_stream_write_with (fd, object, -1, deadline_ms);
}

int
json_stream_write_with (int fd, json_object *object, int passed,
                        int64_t deadline_ms)
{
  size_t length;
  const char *text = json_object_to_json_string_length (
    object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);
  CLEANUP_FREE char *line = text == NULL ? NULL : malloc (length + 1);

  if (line == NULL)
    return -ENOMEM;
  memcpy (line, text, length);
  line[length] = '\n';
  return passed < 0 ? socket_send (fd, line, length + 1, deadline_ms)
         : socket_send_with (fd, line, length + 1, passed, deadline_ms);
}
