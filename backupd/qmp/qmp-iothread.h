/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which guest devices iothreads serve.  Threads and errors as in qmp.h. */
#ifndef PULLBACK_QMP_IOTHREAD_H
#define PULLBACK_QMP_IOTHREAD_H

#include "qmp.h"

/* Has QEMU any?  1, 0 or -errno. */
int qmp_iothread_any (struct qmp *qmp, struct failure *why) WARN_UNUSED;

/* Does one serve the guest device QDEV (of struct qmp_disk), itself or by the controller that it is
 * on?  1, 0 or -errno.  Where there is no such device ("") any counts: 1.  QEMU has one
 * (qmp_iothread_any). */
int qmp_iothread_serves (struct qmp *qmp, const char *qdev, struct failure *why) WARN_UNUSED;

/* The id of one that serves it, in *ID (g_free); NULL where none does, or that cannot be told. */
int qmp_iothread_of (struct qmp *qmp, const char *qdev, char **id, struct failure *why) WARN_UNUSED;

#endif
