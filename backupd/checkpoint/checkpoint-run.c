/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The only place where a plan meets QEMU: what is planned can be looked at, and tried
 * against a QEMU that stops anywhere, without one. */
#include <config.h>

#include "checkpoint-run.h"
#include "granule-map.h"
#include "patience.h"
#include "qmp-transaction.h"

/* A transaction waits for requests in flight on all disks. */
#define RUN_TIMEOUT_MS patience_ms (60000)

static void
add_action (struct qmp_transaction *t, const struct checkpoint_action *action)
{
  const char *node = action->node, *bitmap = action->bitmap;

  switch (action->kind) {
  case CHECKPOINT_ADD:
    qmp_transaction_bitmap_add (t, node, bitmap, GRANULE_DEFAULT,
                                action->persistent, false);
    break;
  case CHECKPOINT_COPY:
    qmp_transaction_bitmap_add (t, node, bitmap, GRANULE_DEFAULT, false, true);
    break;
  case CHECKPOINT_FREEZE:
    qmp_transaction_fleece (t, action->job, node, action->target,
                            action->filter);
    break;
  case CHECKPOINT_MERGE:
    qmp_transaction_bitmap_merge (t, node, bitmap, action->source_node,
                                  action->sources, action->n_sources);
    break;
  case CHECKPOINT_ENABLE:
    qmp_transaction_bitmap_enable (t, node, bitmap);
    break;
  case CHECKPOINT_DISABLE:
    qmp_transaction_bitmap_disable (t, node, bitmap);
    break;
  case CHECKPOINT_REMOVE:
    qmp_transaction_bitmap_remove (t, node, bitmap);
    break;
  }
}

/* The action *I of PLAN and those joined to it; *I becomes the next. */
static int
run_next (struct qmp *qmp, const struct checkpoint_plan *plan, size_t *i,
          struct failure *why)
{
  bool joined = checkpoint_plan_at (plan, *i)->joined;
  struct qmp_transaction *t = qmp_transaction_create ();
  int r;

  do
    add_action (t, checkpoint_plan_at (plan, (*i)++));
  while (joined && *i < checkpoint_plan_count (plan) &&
         checkpoint_plan_at (plan, *i)->joined);
  r = joined ? qmp_transaction_run (qmp, t, RUN_TIMEOUT_MS, why)
             : qmp_transaction_run_alone (qmp, t, RUN_TIMEOUT_MS, why);
  qmp_transaction_destroy (t);
  return r;
}

int
checkpoint_run (struct qmp *qmp, struct checkpoint_plan *plan,
                struct failure *why)
{
  size_t i = 0;
  int r = 0;

  while (r == 0 && i < checkpoint_plan_count (plan))
    r = run_next (qmp, plan, &i, why);
  checkpoint_plan_destroy (plan);
  return r;
}
