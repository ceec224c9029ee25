/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of a checkpoint that is tentative or whose deletion has an intent. */
#ifndef PULLBACK_CHECKPOINT_SETTLE_H
#define PULLBACK_CHECKPOINT_SETTLE_H

#include "checkpoint.h"

/* Bitmaps first, then the entry (rule C3).  C is freed by that.  Can be repeated
 * after a crash at any point. */
int checkpoint_drop (const struct checkpoint_domain *domain, const struct checkpoint *c,
                     struct failure *why) WARN_UNUSED;

#endif
