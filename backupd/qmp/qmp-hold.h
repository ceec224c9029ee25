/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's device has no disk for a while: a stand-in of the same size is in its place, which
 * fails all that is read and written.  So nobody but an export has the disk's node, whatever the
 * device would share, and a guest that is started all the same sees nothing of it.
 *
 * Threads and errors as in qmp.h.  The guest must not run. */
#ifndef PULLBACK_QMP_HOLD_H
#define PULLBACK_QMP_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "qmp.h"

/* Borrowed for the call. */
struct qmp_hold {
  const char *qdev, *node;      /* of struct qmp_disk: the device, and its disk */
  const char *keep;             /* names of nodes that are there meanwhile: one that holds NODE ... */
  const char *stand_in;         /* ... and the stand-in */
  uint64_t size;                /* bytes */
};

/* On failure something of it may be there: give it back. */
int qmp_hold_take (struct qmp *qmp, const struct qmp_hold *hold, struct failure *why) WARN_UNUSED;

/* -ESTALE, with what to do, where somebody has put another node in NODE's place meanwhile.  Where QEMU
 * does not tell: 0. */
int qmp_hold_check (struct qmp *qmp, const struct qmp_hold *hold, struct failure *why) WARN_UNUSED;

/* Also where it was not taken, or not wholly, or where the device is gone.  *WAS_HELD: the device had
 * the stand-in until now. */
int qmp_hold_give_back (struct qmp *qmp, const struct qmp_hold *hold, bool *was_held,
                        struct failure *why) WARN_UNUSED;

#endif
