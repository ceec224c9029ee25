/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between the files of this folder only: the session as those see it that make
 * one, and as the commands do. */
#ifndef PULLBACK_QMP_SESSION_H
#define PULLBACK_QMP_SESSION_H

#include <glib.h>

#include "qmp-transport.h"
#include "qmp.h"

/* A session over TRANSPORT, which it takes, also on failure. */
int qmp_session_create (struct qmp_transport *transport, struct qmp **qmp, struct failure *why) WARN_UNUSED;

/* Reads query-qmp-schema, after which the session can be used.  It is large on both
 * sides, so that a hundred sessions that open at once would take all memory, and each
 * other's time: waits while several others read theirs.  What is left until
 * DEADLINE_MS, at least 3 s, begins then. */
int qmp_session_learn (struct qmp *qmp, int64_t deadline_ms, struct failure *why) WARN_UNUSED;

/* Borrowed. */
const struct qmp_transport *qmp_session_transport (const struct qmp *qmp);

/* Those that wait to be handed out, json_object *, the oldest first.  Borrowed. */
const GQueue *qmp_session_events (const struct qmp *qmp);

/* Waits until an event is in the queue or can be put there, at most until
 * DEADLINE_MS; -ETIMEDOUT then, -ENOTCONN when the link is lost. */
int qmp_session_wait_event (struct qmp *qmp, int64_t deadline_ms) WARN_UNUSED;

/* A step on the way to a deadline: qmp_call with what is left of it. */
int qmp_session_call (struct qmp *qmp, const char *command, json_object *arguments,
                      int64_t deadline_ms, json_object **result, struct failure *why) WARN_UNUSED;

/* The same with the descriptor FD (borrowed), over a transport that has pass_fd. */
int qmp_session_pass (struct qmp *qmp, const char *command, json_object *arguments, int fd,
                      int64_t deadline_ms, struct failure *why) WARN_UNUSED;

/* Fills WHY with why the link is lost, returns -ENOTCONN. */
int qmp_session_lost (const struct qmp *qmp, struct failure *why);

#endif
