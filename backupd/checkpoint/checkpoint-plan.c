/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What QEMU (7.2 to 10.0) does when a transaction fails, while an iothread writes on:
 *
 *   add         removes the bitmap with what it recorded; the one before has it
 *   disable     enables again: what was written meanwhile is in no older bitmap
 *   enable      disables, also a bitmap that recorded before if the enabling itself
 *               failed; QEMU crashes if the bitmap is not there
 *   merge       puts the target's old bits back, without what it recorded meanwhile,
 *               and frees the others under the hands of the iothread
 *   remove      lets it be; what it recorded meanwhile is in it
 *   blockdev-backup   ends the job; its node stays drained until all is undone
 *
 * So new bitmaps, jobs, and copies that never record are one transaction; everything
 * else is a command of its own (rule C9). */
#include <config.h>

#include <string.h>

#include <glib.h>

#include "checkpoint-chain.h"
#include "checkpoint-plan.h"
#include "log.h"

struct checkpoint_plan {
  GArray *actions;              /* struct checkpoint_action */
  GStringChunk *strings;
  GPtrArray *lists;             /* of sources */
};

struct checkpoint_plan *
checkpoint_plan_create (void)
{
  struct checkpoint_plan *plan = g_new0 (struct checkpoint_plan, 1);

  plan->actions = g_array_new (false, true, sizeof (struct checkpoint_action));
  plan->strings = g_string_chunk_new (512);
  plan->lists = g_ptr_array_new_with_free_func (g_free);
  return plan;
}

void
checkpoint_plan_destroy (struct checkpoint_plan *plan)
{
  if (plan == NULL)
    return;
  g_array_unref (plan->actions);
  g_string_chunk_free (plan->strings);
  g_ptr_array_unref (plan->lists);
  g_free (plan);
}

size_t
checkpoint_plan_count (const struct checkpoint_plan *plan)
{
  return plan->actions->len;
}

const struct checkpoint_action *
checkpoint_plan_at (const struct checkpoint_plan *plan, size_t i)
{
  return &g_array_index (plan->actions, struct checkpoint_action, i);
}

static const char *
keep (struct checkpoint_plan *plan, const char *text)
{
  return text == NULL ? NULL
                      : g_string_chunk_insert_const (plan->strings, text);
}

/* Borrowed until the next is added. */
static struct checkpoint_action *
add (struct checkpoint_plan *plan, enum checkpoint_action_kind kind,
     const char *node, const char *bitmap)
{
  const struct checkpoint_action action = {
    .kind = kind, .node = keep (plan, node), .bitmap = keep (plan, bitmap)
  };

  g_array_append_val (plan->actions, action);
  return &g_array_index (plan->actions, struct checkpoint_action,
                         plan->actions->len - 1);
}

static struct checkpoint_action *
add_merge (struct checkpoint_plan *plan, const char *node, const char *bitmap,
           const char *const *sources, size_t n)
{
  const char **list = g_new0 (const char *, n);
  struct checkpoint_action *action =
    add (plan, CHECKPOINT_MERGE, node, bitmap);

  for (size_t i = 0; i < n; i++)
    list[i] = keep (plan, sources[i]);
  g_ptr_array_add (plan->lists, list);
  action->sources = list;
  action->n_sources = n;
  return action;
}

/* --- a new checkpoint ------------------------------------------------------------ */

void
checkpoint_plan_copy (struct checkpoint_plan *plan, const char *node,
                      const struct checkpoint_range *range)
{
  struct checkpoint_action *merge;

  add (plan, CHECKPOINT_COPY, node, range->bitmap)->joined = true;
  merge = add_merge (plan, node, range->bitmap, range->chain, range->n_chain);
  merge->joined = true;
  merge->source_node = keep (plan, range->chain_node);
}

static void
add_bitmap (struct checkpoint_plan *plan, const struct checkpoint_share *share)
{
  struct checkpoint_action *action =
    add (plan, CHECKPOINT_ADD, share->node, share->bitmap);

  action->joined = true;
  action->persistent = share->persistent;
}

static void
add_freeze (struct checkpoint_plan *plan, const struct checkpoint_share *share)
{
  struct checkpoint_action *action =
    add (plan, CHECKPOINT_FREEZE, share->node, NULL);

  action->joined = true;
  action->job = keep (plan, share->job);
  action->target = keep (plan, share->target);
  action->filter = keep (plan, share->filter);
}

/* A new bitmap has all that comes after the freeze if it records before, a copy all
 * that comes before if it is made after.  Each job keeps its disk drained until the
 * transaction's end, so that all disks stand still from the last one's start on: that
 * is the point in time (rule N1). */
void
checkpoint_plan_start (struct checkpoint_plan *plan,
                       const struct checkpoint_share *shares, size_t n)
{
  for (size_t i = 0; i < n; i++)
    if (shares[i].bitmap != NULL)
      add_bitmap (plan, &shares[i]);
  for (size_t i = 0; i < n; i++)
    if (shares[i].job != NULL)
      add_freeze (plan, &shares[i]);
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < shares[i].n_ranges; j++)
      checkpoint_plan_copy (plan, shares[i].node, &shares[i].ranges[j]);
}

void
checkpoint_plan_stop (struct checkpoint_plan *plan,
                      const struct checkpoint_share *shares, size_t n)
{
  for (size_t i = 0; i < n; i++)
    if (shares[i].bitmap != NULL && shares[i].previous != NULL)
      add (plan, CHECKPOINT_DISABLE, shares[i].node, shares[i].previous);
}

/* --- one that goes --------------------------------------------------------------- */

void
checkpoint_plan_remove (struct checkpoint_plan *plan, const char *node,
                        const char *bitmap)
{
  add (plan, CHECKPOINT_REMOVE, node, bitmap);
}

/* The older one records before it is given the changes: what is written after the
 * merge is in it already. */
static void
drop_from_disk (struct checkpoint_plan *plan, const struct catalog *catalog,
                const struct checkpoint *c,
                const struct checkpoint_disk *entry,
                const struct qmp_disk *live)
{
  const struct qmp_bitmap *dropped = checkpoint_own_bitmap (c, live);
  const char *source = entry->bitmap, *target;

  if (dropped == NULL || entry->lost != NULL)
    return;
  target = checkpoint_merge_target (catalog, c, entry, live);
  if (target != NULL) {
    bool newest = catalog_next_of_disk (catalog, entry->name, c) == NULL;

    if (newest && dropped->recording &&
        !qmp_disk_bitmap (live, target)->recording)
      add (plan, CHECKPOINT_ENABLE, live->node, target);
    add_merge (plan, live->node, target, &source, 1);
  }
  checkpoint_plan_remove (plan, live->node, source);
}

void
checkpoint_plan_drop (struct checkpoint_plan *plan,
                      const struct catalog *catalog,
                      const struct checkpoint *c,
                      const struct qmp_disks *disks)
{
  for (size_t i = 0; i < c->n_disks; i++) {
    const struct qmp_disk *live =
      checkpoint_live_disk (c, &c->disks[i], disks);

    if (live != NULL)
      drop_from_disk (plan, catalog, c, &c->disks[i], live);
    else if (checkpoint_waits_below (c, &c->disks[i], disks))
      log_disk_info (c->disks[i].name, "checkpoint %s: its bitmap is on an "
                     "image below that of the disk %s, and is merged back when "
                     "the snapshot is committed", c->name, c->disks[i].name);
    else
      log_disk_warning (c->disks[i].name, "checkpoint %s: the disk %s is not "
                        "there, is read-only or has another image: its bitmap "
                        "stays", c->name, c->disks[i].name);
  }
}

/* --- one too many ---------------------------------------------------------------- */

void
checkpoint_plan_surplus (struct checkpoint_plan *plan,
                         const struct catalog *catalog,
                         const struct qmp_disk *live)
{
  const struct checkpoint *c =
    catalog_newest_of_disk (catalog, live->name, NULL);
  const struct qmp_bitmap *bitmap = checkpoint_sound_bitmap (c, live);

  /* Only what the newest has recorded since it was made may replace them. */
  if (bitmap == NULL || !bitmap->recording)
    return;
  while ((c = catalog_newest_of_disk (catalog, live->name, c)) != NULL) {
    bitmap = checkpoint_sound_bitmap (c, live);
    if (bitmap != NULL && bitmap->recording)
      add (plan, CHECKPOINT_DISABLE, live->node, bitmap->name);
  }
}
