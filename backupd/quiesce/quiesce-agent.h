/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Talking to a QEMU guest agent over the unix socket of its port, or by libvirt where
 * that has the port.  The agent is not trusted: what it says is bounded in size and time.  Deadlines are of
 * now_ms ().  Threads: one. */
#ifndef PULLBACK_QUIESCE_AGENT_H
#define PULLBACK_QUIESCE_AGENT_H

#include <stdint.h>

#include "failure.h"
#include "json-stream.h"
#include "process.h"

struct quiesce_agent {
  const char *path;             /* borrowed; see libvirt-agent.h */
  struct process program;       /* what speaks to libvirt; of a socket: none */
  uint64_t asked;               /* the number of the last command to it */
  int fd;                       /* -1: not connected */
  struct json_stream *stream;   /* NULL then */
};

/* -ENOENT and -ECONNREFUSED mean that nobody listens: QEMU is gone.  By libvirt that
 * is found out by the first call. */
int quiesce_agent_open (struct quiesce_agent *agent, const char *path, int64_t deadline,
                        struct failure *why) WARN_UNUSED;
/* Also one that is not connected. */
void quiesce_agent_close (struct quiesce_agent *agent);

/* Makes sure that what is read next answers what is sent next, whatever was
 * said on the line before, and sends VERB; the reply is *RESULT (a new
 * reference; NULL for null).
 *
 *   -ETIMEDOUT   no answer yet; it may still come
 *   -EREMOTEIO   the agent refused, WHY has its words
 *   -EPROTO      it talks nonsense
 * or the line is broken, -ECONNRESET and the like. */
int quiesce_agent_call (struct quiesce_agent *agent, const char *verb, int64_t deadline,
                        json_object **result, struct failure *why) WARN_UNUSED;

#endif
