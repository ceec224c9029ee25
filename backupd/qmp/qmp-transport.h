/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What carries a session: something that takes QMP's commands and gives replies and
 * events.  Whoever makes one has seen to it that QEMU listens (greeting,
 * capabilities), and fills in the calls; the session does the rest.  For another than
 * the unix socket of qmp-socket.c (and the program of qmp-helper.c) nothing else has to change: sending and receiving
 * are two calls, of which only the second waits for an answer, so that replies and
 * events may come by any other thread as long as FD shows that they have.
 *
 * Threads: one at a time. */
#ifndef PULLBACK_QMP_TRANSPORT_H
#define PULLBACK_QMP_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <json-c/json.h>

#include "cleanup.h"

struct qmp_transport;

struct qmp_transport_calls {
  /* Hands over a command, which is borrowed.  Deadlines are of now_ms ().
   *
   *   -EBUSY       it was not sent, and will not be: an earlier one has no answer yet
   *
   * After any other failure, of which -ETIMEDOUT is one, no other command is sent. */
  int (*send) (struct qmp_transport *transport, json_object *command, int64_t deadline_ms);

  /* As "send", of a command that QEMU gets the descriptor FD (borrowed) with; NULL: the
   * link carries none. */
  int (*pass_fd) (struct qmp_transport *transport, json_object *command, int fd, int64_t deadline_ms);

  /* The next reply or event, a new reference to an object.  A deadline of 0 takes
   * what can be had without waiting.
   *
   *   -ETIMEDOUT   there is none yet
   *   -ETIME       there is a part of one
   *   -ECONNRESET  QEMU has closed the link
   *   -EMSGSIZE    it is too large or too deeply nested
   *   -EPROTO      it is no such thing
   *
   * or another -errno.  Only after the first, nothing is lost. */
  int (*receive) (struct qmp_transport *transport, int64_t deadline_ms, json_object **message);

  /* May "receive" have something although FD is not readable? */
  bool (*has_more) (const struct qmp_transport *transport);

  /* QEMU's process, and its user and group when it made the link. */
  int (*peer) (const struct qmp_transport *transport, uid_t *uid, gid_t *gid, pid_t *pid);

  /* Frees it, and what it has from NAME on. */
  void (*close) (struct qmp_transport *transport);
};

/* The first member of what implements it. */
struct qmp_transport {
  const struct qmp_transport_calls *calls;
  char *name;                   /* for people: "QMP socket PATH" */
  char *folder;                 /* see qmp_folder; freed by "close" */
  int fd;                       /* readable: there is something, or the link is lost */
};

#endif
