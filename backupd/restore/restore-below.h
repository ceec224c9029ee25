/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The backing files of an image that is restored by its bitmaps.
 *
 * Threads: any. */
#ifndef PULLBACK_RESTORE_BELOW_H
#define PULLBACK_RESTORE_BELOW_H

#include "restore-model.h"

/* Fails (FAILURE_CHAIN) where one is being restored or is half restored, which the ledger learns
 * only when that has ended.  RESTORE's targets are open, and their backing files locked. */
int restore_below_check (const struct restore *restore, struct failure *why) WARN_UNUSED;

#endif
