/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One JSON object per line over a stream socket, with limits on size, depth
 * and time.  Threads: one reader and one writer at a time. */
#ifndef PULLBACK_CONTROL_LINE_H
#define PULLBACK_CONTROL_LINE_H

#include <json-c/json.h>

#include "cleanup.h"
#include "failure.h"

#define CONTROL_LINE_MAX (16 * 1024 * 1024)     /* bytes, newline included */
#define CONTROL_DEPTH_MAX 32

struct control_line;

/* FD is borrowed.  NULL: out of memory. */
struct control_line *control_line_create (int fd);
void control_line_destroy (struct control_line *line);

/* Reads the next object; empty lines are skipped.  Waits at most IDLE_MS for
 * the first byte of a line, and LINE_MS from there to its end; -1: forever.
 *
 *   -ENOTCONN    the peer has closed after a whole line
 *   -ECONNRESET  ... in the middle of a line
 *   -ETIMEDOUT
 *   -EBADMSG     the line is no JSON object; the next one can be read
 *   -EMSGSIZE    the line is too long: framing is lost, close
 * or what recv (2) says. */
int control_line_read (struct control_line *line, int idle_ms, int line_ms,
                       json_object **object, struct failure *why) WARN_UNUSED;

/* Writes OBJECT and a newline within TIMEOUT_MS (-1: forever). */
int control_line_write (int fd, json_object *object, int timeout_ms) WARN_UNUSED;

#endif
