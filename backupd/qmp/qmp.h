/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A QMP session with one QEMU (or qemu-storage-daemon) process.
 *
 * Calls are synchronous with a deadline; events that arrive while a call
 * waits are queued and handed out by qmp_dispatch.  A session that lost its
 * link (end of file, garbage, deadline passed in the middle of a reply) stays
 * lost: every later call fails at once with -ENOTCONN.
 *
 * Threads: one at a time; the domain's thread owns the session.
 * Errors: 0 or -errno, with the sentence in *why. */
#ifndef PULLBACK_QMP_H
#define PULLBACK_QMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "failure.h"
#include "patience.h"

struct qmp;

/* Milliseconds for a command that QEMU answers from memory. */
#define QMP_TIMEOUT_MS patience_ms (30000)

/* Called from qmp_dispatch for each event, in order.  DATA is borrowed and
 * may be NULL. */
typedef void (*qmp_event_fn) (void *opaque, const char *event, json_object *data);

/* Connects to the unix socket PATH, reads the greeting, negotiates, and
 * loads query-qmp-schema.  All of it within TIMEOUT_MS.  Distinct sentences
 * for: no such socket, permission, nobody listens, something that is not a QMP
 * server, a QMP server that is busy with another client (it accepts and stays
 * silent), one that stops answering. */
int qmp_open (const char *path, int timeout_ms, struct qmp **qmp, struct failure *why) WARN_UNUSED;
void qmp_close (struct qmp *qmp);

/* A session with PATH that is lost from the start, for who has yet to connect. */
int qmp_open_none (const char *path, struct qmp **qmp, struct failure *why) WARN_UNUSED;

void qmp_set_event_handler (struct qmp *qmp, qmp_event_fn handler, void *opaque);

/* For poll (2): readable means "call qmp_dispatch". */
int qmp_fd (const struct qmp *qmp);

/* Hands out queued events and whatever can be read without blocking.  True if
 * queued events may be left without the descriptor being readable: never
 * (the queue is drained).  -ENOTCONN when the link is lost. */
int qmp_dispatch (struct qmp *qmp) WARN_UNUSED;
/* How many events wait to be handed out. */
size_t qmp_events_waiting (const struct qmp *qmp);
/* How many of them tell that a job was made, whosever. */
size_t qmp_jobs_made (const struct qmp *qmp);
bool qmp_is_lost (const struct qmp *qmp);

/* Runs COMMAND with ARGUMENTS (consumed, may be NULL) and waits for the
 * reply.  *RESULT (may be NULL) gets a reference the caller owns.  A QMP error
 * becomes FAILURE_QMP, -EREMOTEIO and "QEMU refused COMMAND: its words"; a
 * timeout -ETIMEDOUT, which comes soon where a call before it has waited for
 * long and QEMU has not said a word since. */
int qmp_call (struct qmp *qmp, const char *command, json_object *arguments,
              int timeout_ms, json_object **result, struct failure *why) WARN_UNUSED;

/* RESULT is borrowed. */
typedef void (*qmp_answer_fn) (void *opaque, json_object *result);

/* Sends COMMAND, which has no arguments, and does not wait: ANSWER is called from
 * whatever reads the reply, and must not use the session.  It is not called where QEMU refuses or the
 * session is lost.  One at a time: this forgets the one before. */
int qmp_ask (struct qmp *qmp, const char *command, qmp_answer_fn answer, void *opaque) WARN_UNUSED;

/* Its answer is not called any more. */
void qmp_ask_forget (struct qmp *qmp);

/* By query-qmp-schema, never by version. */
bool qmp_has_command (const struct qmp *qmp, const char *command);

/* Is MEMBER an argument of COMMAND (or, for "transaction", an action type; for
 * "blockdev-add" with "DRIVER.MEMBER" a member of that driver's options; with
 * "ARGUMENT.CASE" a variant of an argument)? */
bool qmp_has_member (const struct qmp *qmp, const char *command, const char *member);

/* Fails with FAILURE_QMP_UNSUPPORTED and a sentence that names the first of
 * the commands in backupd/qmp/qmp-needed.tbl.h which this QEMU lacks. */
int qmp_check_needed (const struct qmp *qmp, struct failure *why) WARN_UNUSED;

#endif
