/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Talking to a QEMU guest agent over the unix socket of its port.  The agent is
 * not trusted: what it says is bounded in size and time.  Deadlines are of
 * now_ms (). */
#ifndef PULLBACK_AGENT_H
#define PULLBACK_AGENT_H

#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "failure.h"

/* Replies of the commands that we use are short. */
#define AGENT_LINE_MAX 65536

struct agent {
  const char *path;             /* borrowed */
  int fd;                       /* -1: not connected */
  size_t length;                /* of what is received and not yet taken */
  char buffer[AGENT_LINE_MAX];
};

/* -ENOENT and -ECONNREFUSED mean that nobody listens: QEMU is gone. */
int agent_open (struct agent *agent, const char *path, int64_t deadline, struct failure *why) WARN_UNUSED;
void agent_close (struct agent *agent);

/* Makes sure that what is read next answers what is sent next, whatever was
 * said on the line before, and sends VERB; the reply is *RESULT (a new
 * reference; NULL for null).
 *
 *   -ETIMEDOUT   no answer yet; it may still come
 *   -EREMOTEIO   the agent refused, WHY has its words
 *   -EPROTO      it talks nonsense
 * or the line is broken, -ECONNRESET and the like. */
int agent_call (struct agent *agent, const char *verb, int64_t deadline,
                json_object **result, struct failure *why) WARN_UNUSED;

#endif
