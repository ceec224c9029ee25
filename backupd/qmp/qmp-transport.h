/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A unix socket that carries JSON objects, one after the other.
 *
 * Threads: one at a time. */
#ifndef PULLBACK_QMP_TRANSPORT_H
#define PULLBACK_QMP_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "failure.h"

/* What one message may take: bytes, values (each costs far more memory than
 * the byte or two it takes on the wire), levels of nesting. */
#define QMP_MESSAGE_BYTES (64u << 20)
#define QMP_MESSAGE_VALUES 500000u
#define QMP_MESSAGE_DEPTH 500

struct qmp_transport;

/* Connects to PATH, a sentence for each way it can go wrong. */
int qmp_transport_open (const char *path, int64_t deadline_ms,
                        struct qmp_transport **transport, struct failure *why) WARN_UNUSED;
void qmp_transport_close (struct qmp_transport *transport);

int qmp_transport_fd (const struct qmp_transport *transport);

/* Has a part of a message been read, or bytes that were not looked at yet? */
bool qmp_transport_is_amid (const struct qmp_transport *transport);
bool qmp_transport_has_bytes (const struct qmp_transport *transport);

/* Sends MESSAGE and a newline.  -ETIMEDOUT (part of it may have gone out),
 * -EPIPE or what send (2) says. */
int qmp_transport_send (struct qmp_transport *transport, json_object *message,
                        int64_t deadline_ms) WARN_UNUSED;

/* The next object.  -ETIMEDOUT; -ECONNRESET at the end of the stream;
 * -EMSGSIZE beyond a limit; -EPROTO for anything but a JSON object.  After
 * the last three nothing more can be read.  A deadline of 0 takes what can be
 * had without waiting. */
int qmp_transport_receive (struct qmp_transport *transport, int64_t deadline_ms,
                           json_object **message) WARN_UNUSED;

#endif
