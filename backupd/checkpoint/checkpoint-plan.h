/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is done to QEMU's bitmaps, and in which order: from the catalog and QEMU's
 * state to a list of actions.  Nothing here talks to QEMU; checkpoint_run does.
 *
 * A disk on an iothread is written to between any two actions.  So, at every boundary
 * a bitmap that will be kept records; we may die there, or the next action may fail
 * (rules C2, C4).  Only those actions are joined into a transaction that QEMU can roll
 * back while the guest writes (rule C9). */
#ifndef PULLBACK_CHECKPOINT_PLAN_H
#define PULLBACK_CHECKPOINT_PLAN_H

#include "catalog.h"
#include "qmp-disk.h"

enum checkpoint_action_kind {
  CHECKPOINT_ADD,               /* one that records from here on */
  CHECKPOINT_FREEZE,            /* the backup job */
  CHECKPOINT_COPY,              /* an empty one that never records */
  CHECKPOINT_MERGE,             /* SOURCES into BITMAP */
  CHECKPOINT_ENABLE,
  CHECKPOINT_DISABLE,
  CHECKPOINT_REMOVE
};

/* Strings belong to the plan. */
struct checkpoint_action {
  enum checkpoint_action_kind kind;
  bool joined;                  /* to its neighbours that are, in one transaction */
  const char *node;
  const char *bitmap;           /* NULL for FREEZE */
  bool persistent;              /* ADD */
  const char **sources;         /* MERGE */
  size_t n_sources;
  const char *source_node;      /* MERGE: where SOURCES are; NULL: on NODE */
  const char *job, *target, *filter;    /* FREEZE */
};

struct checkpoint_plan;

struct checkpoint_plan *checkpoint_plan_create (void);
void checkpoint_plan_destroy (struct checkpoint_plan *plan);

size_t checkpoint_plan_count (const struct checkpoint_plan *plan);
const struct checkpoint_action *checkpoint_plan_at (const struct checkpoint_plan *plan, size_t i);

/* What a backup shows of the past: CHAIN's bitmaps, as of the freeze. */
struct checkpoint_range {
  const char *bitmap;           /* the copy's name */
  const char *const *chain;
  size_t n_chain;
  const char *chain_node;       /* where they are; NULL: on the disk's */
};

/* One disk's share in a new checkpoint, or a backup, or both. */
struct checkpoint_share {
  const char *node;
  const char *bitmap;           /* the new checkpoint's; NULL: it is not covered */
  bool persistent;
  const char *previous;         /* bitmap that recorded so far; NULL: none */
  const char *job, *target, *filter;    /* the backup's; JOB NULL: none */
  const struct checkpoint_range *ranges;
  size_t n_ranges;
};

/* One transaction: the new bitmaps record, the disks are frozen, their ranges copied. */
void checkpoint_plan_start (struct checkpoint_plan *plan, const struct checkpoint_share *shares,
                            size_t n);
/* After that has succeeded: the previous bitmaps stop.  Until then two record, which
 * costs a few granules and loses none. */
void checkpoint_plan_stop (struct checkpoint_plan *plan, const struct checkpoint_share *shares,
                           size_t n);

/* A copy of RANGE on NODE that does not record. */
void checkpoint_plan_copy (struct checkpoint_plan *plan, const char *node,
                           const struct checkpoint_range *range);
/* A bitmap that belongs to no checkpoint (any more). */
void checkpoint_plan_remove (struct checkpoint_plan *plan, const char *node, const char *bitmap);

/* C goes from the disks that are in LIVE: its changes to the nearest older one of each
 * disk (rule C4), or nowhere (rule C5).  Can be planned and run again after any of its
 * actions. */
void checkpoint_plan_drop (struct checkpoint_plan *plan, const struct catalog *catalog,
                           const struct checkpoint *c, const struct qmp_disks *live);

/* Bitmaps on LIVE of older checkpoints stop where the newest one's records (C2). */
void checkpoint_plan_surplus (struct checkpoint_plan *plan, const struct catalog *catalog,
                              const struct qmp_disk *live);

#endif
