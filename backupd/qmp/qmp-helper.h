/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sessions by a program that speaks QMP in QEMU's stead, over a socket that we have given
 * it: for monitors that somebody else holds.
 *
 * It carries out one command at a time and cannot be told to stop.  Hence one is
 * sent when the one before has been answered, and not before: what waits for a QEMU that
 * hangs has been given up when that goes on, and must not be carried out then.
 *
 * To what it has not carried out it answers {"unsent": true, "id": ID}, which is not passed on, or, where it
 * knows better than to wait, {"unsent": true, "busy": a sentence, "id": ID}: that call fails with the
 * sentence, as one that QEMU does not answer. */
#ifndef PULLBACK_QMP_HELPER_H
#define PULLBACK_QMP_HELPER_H

#include "qmp.h"

struct qmp_helper {
  int fd;                       /* ours of the two sockets */
  const char *name;             /* for people: "libvirt at URI"; copied */

  /* What the program said first: tells QEMU's process, and what qmp_folder says (NULL, or to be
   * freed with g_free), or why there is none. */
  int (*meet) (void *opaque, json_object *greeting, pid_t *pid, char **folder,
               struct failure *why);
  /* Ends the program, and frees OPAQUE. */
  void (*end) (void *opaque);
  void *opaque;
};

/* A session over HELPER, all of it within TIMEOUT_MS; FD and OPAQUE are taken over, on
 * failure too.  -ECONNRESET: the program has ended without a word; -ETIMEDOUT: it says none. */
int qmp_open_helper (const struct qmp_helper *helper, int timeout_ms, struct qmp **qmp,
                     struct failure *why) WARN_UNUSED;

#endif
