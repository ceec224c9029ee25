/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's devices, of which disks are.  Threads and errors as in qmp.h. */
#ifndef PULLBACK_QMP_DEVICE_H
#define PULLBACK_QMP_DEVICE_H

#include "qmp-disk.h"

/* Sets UNSEEN of those of DISKS (from qmp_disks_query, whose survey counts) whose device says so
 * (rule N7).  What
 * does not say, and what is no guest's device, is taken for one whose writes are seen. */
int qmp_device_look (struct qmp *qmp, struct qmp_disks *disks, struct failure *why) WARN_UNUSED;

#endif
