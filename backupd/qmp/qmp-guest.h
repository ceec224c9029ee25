/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Has the guest of a QEMU run?  Threads and errors as in qmp.h. */
#ifndef PULLBACK_QMP_GUEST_H
#define PULLBACK_QMP_GUEST_H

#include <stdbool.h>

#include "qmp.h"

enum qmp_guest {
  QMP_GUEST_NONE,               /* the peer runs no virtual machine */
  QMP_GUEST_FRESH,              /* it has not run, or not since its last reset, and begins by "cont" */
  QMP_GUEST_AWAITED,            /* -incoming defer: it comes by a migration that has not begun */
  QMP_GUEST_ARRIVES,            /* by one that has */
  QMP_GUEST_HAS_RUN             /* it runs, or its memory is that of a machine that did */
};

int qmp_guest_look (struct qmp *qmp, enum qmp_guest *guest, struct failure *why) WARN_UNUSED;

/* Has its memory come by a migration, which may have brought bitmaps?  True where QEMU does not answer,
 * and after one that went out. */
bool qmp_guest_has_arrived (struct qmp *qmp);

#endif
