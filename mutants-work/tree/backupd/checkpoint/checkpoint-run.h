/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PULLBACK_CHECKPOINT_RUN_H
#define PULLBACK_CHECKPOINT_RUN_H

#include "checkpoint-plan.h"

/* Runs PLAN's actions in QEMU, in order, and frees it.  Stops at the first that fails; of
 * those that are joined then none has been done, of the others all before it. */
int checkpoint_run (struct qmp *qmp, struct checkpoint_plan *plan, struct failure *why) WARN_UNUSED;

#endif
