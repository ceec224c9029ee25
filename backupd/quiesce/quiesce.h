/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Freezing a guest's file systems while a point in time is made, by the program
 * pullback-quiesce, which thaws them whatever becomes of us.
 *
 * Threads: any, one per struct quiesce. */
#ifndef PULLBACK_QUIESCE_H
#define PULLBACK_QUIESCE_H

#include <stdbool.h>

#include "failure.h"

/* Defaults, all in milliseconds: for the agent to answer at all, for the freeze,
 * the longest freeze (Windows' own limit), and for trying to thaw. */
#define QUIESCE_SYNC_MS 3000
#define QUIESCE_FREEZE_MS 10000
#define QUIESCE_LIMIT_MS 10000
#define QUIESCE_THAW_MS 120000
#define QUIESCE_MS_MAX 3600000

/* In the sentence of a pullback-quiesce whose freeze failed but may still happen, or that
 * has tried to thaw in vain. */
#define QUIESCE_MAY_BE_FROZEN "may still be frozen"

struct quiesce_limits {
  int sync_ms, freeze_ms, limit_ms;
};

struct quiesce;

/* Freezes the guest whose agent is at the unix socket AGENT.  LIMITS may be NULL:
 * the defaults.  JOURNAL: the path of quiesce-journal.h, there until the thaw is
 * known, also after a failure, for quiesce_recover; QEMU: see there.  What an earlier
 * one may have left frozen is thawed first, or this fails. */
int quiesce_begin (const char *agent, const struct quiesce_limits *limits, const char *journal,
                   const char *qemu, struct quiesce **quiesce, struct failure *why) WARN_UNUSED;

/* Thaws, frees QUIESCE.  *THROUGHOUT: was everything frozen from the end of
 * quiesce_begin to this call?  If not, the reason is returned (a static text,
 * to be put after "because"), else NULL.  *MS: how long the guest was frozen, as
 * far as known. */
const char *quiesce_end (struct quiesce *quiesce, double *ms, bool *throughout);

/* Thaws what an earlier quiesce_begin may have left frozen, in some seconds. */
int quiesce_thaw (const char *agent, struct failure *why) WARN_UNUSED;

/* The same for the guest that the file JOURNAL is about, and removes that.  No file:
 * success.  After a failure the file stays. */
int quiesce_recover (const char *journal, struct failure *why) WARN_UNUSED;

#endif
