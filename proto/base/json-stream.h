/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON objects, one after the other, over a stream socket.  The peer may send
 * anything: what one object may cost is limited, in time, too.
 *
 * Deadlines are of now_ms (); INT64_MAX: never.  Whoever is told to end
 * gives up earlier, see stop-clock.h.
 *
 * Threads: one reader; writers one at a time. */
#ifndef PULLBACK_JSON_STREAM_H
#define PULLBACK_JSON_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "cleanup.h"

/* Of one object. */
struct json_stream_rules {
  size_t bytes;                 /* of its line, or of its text */
  size_t values;                /* each costs far more memory than its text */
  int depth;                    /* levels of nesting */
  bool lines;                   /* a line by itself: after one that is no
                                   object the next one can be read */
  bool lenient;                 /* need not be UTF-8, nor alone on its line */
};

struct json_stream;

/* FD and RULES are borrowed.  NULL: out of memory. */
struct json_stream *json_stream_create (int fd, const struct json_stream_rules *rules);
void json_stream_destroy (struct json_stream *stream);

/* Waits, whether told to end or not, for the first byte of an object that
 * json_stream_read has not begun.  -ETIMEDOUT, -ECONNRESET at the end of the
 * stream, or what recv (2) says. */
int json_stream_wait (struct json_stream *stream, int64_t deadline_ms) WARN_UNUSED;

/* Reads the next object, a new reference; blanks and empty lines are skipped.
 * A deadline of 0 takes what can be had without waiting.
 *
 *   -ETIMEDOUT   a later call goes on where this one stopped
 *   -ECONNRESET  the stream has ended, between objects or not
 *   -EBADMSG     not an object in UTF-8, nor alone on its line: see
 *                json_stream_problem; what begins otherwise is not waited for
 *   -EMSGSIZE    beyond a limit (but of depth, in a line: -EBADMSG)
 * or what recv (2) says.  Only after -ETIMEDOUT, -EBADMSG for a line, or
 * json_stream_skip_past can more be read. */
int json_stream_read (struct json_stream *stream, int64_t deadline_ms, json_object **object) WARN_UNUSED;

/* What was wrong with the last object, some words. */
const char *json_stream_problem (const struct json_stream *stream);

/* Throws away what comes before the next BYTE, and that. */
int json_stream_skip_past (struct json_stream *stream, char byte, int64_t deadline_ms) WARN_UNUSED;

/* Has a part of an object been read, or bytes that were not looked at yet? */
bool json_stream_is_amid (const struct json_stream *stream);
bool json_stream_has_bytes (const struct json_stream *stream);

/* Writes OBJECT and a newline: see socket_send. */
int json_stream_write (int fd, json_object *object, int64_t deadline_ms) WARN_UNUSED;

/* The same with the descriptor PASSED (-1: none), see socket_send_with. */
int json_stream_write_with (int fd, json_object *object, int passed, int64_t deadline_ms) WARN_UNUSED;

#endif
