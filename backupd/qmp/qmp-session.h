/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between the files of this folder only. */
#ifndef PULLBACK_QMP_SESSION_H
#define PULLBACK_QMP_SESSION_H

#include "qmp.h"

/* Waits until an event is in the queue or can be put there, at most until
 * DEADLINE_MS; -ETIMEDOUT then, -ENOTCONN when the link is lost. */
int qmp_wait_event (struct qmp *qmp, int64_t deadline_ms) WARN_UNUSED;

/* A step on the way to a deadline: qmp_call with what is left of it. */
int qmp_call_until (struct qmp *qmp, const char *command, json_object *arguments,
                    int64_t deadline_ms, json_object **result, struct failure *why) WARN_UNUSED;

/* Fills WHY with why the link is lost, returns -ENOTCONN. */
int qmp_lost_failure (const struct qmp *qmp, struct failure *why);

const char *qmp_path (const struct qmp *qmp);

#endif
