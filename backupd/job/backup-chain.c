/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "backup-chain.h"
#include "log.h"
#include "steps.h"

/* Why LIVE has no bitmap of checkpoint C. */
static const char *
missing_reason (const struct backup *backup, const struct qmp_disk *live,
                const struct checkpoint *c, const char *bitmap)
{
  if (qmp_bitmap_is_below (backup->qmp, live->node, bitmap))
    return "active-layer-changed";
  if (live->can_persist_bitmaps || strcmp (c->boot_id, backup->boot_id) == 0)
    return "bitmap-missing";
  return "raw-restarted";
}

/* Why the range from BASE to now cannot be answered for the disk; NULL: it can,
 * and CHAIN has the bitmaps and *OLDEST_SIZE the disk's size then. */
static const char *
chain_walk (const struct backup *backup, const struct qmp_disk *live,
            const char *disk, const struct checkpoint *base, GPtrArray *chain,
            uint64_t *oldest_size)
{
  const struct qmp_bitmap *bitmap = NULL;
  bool inside = false;

  if (checkpoint_find_disk (base, disk) == NULL)
    return "disk-new";
  for (size_t i = 0; i < catalog_count (backup->catalog); i++) {
    const struct checkpoint *c = catalog_at (backup->catalog, i);
    const struct checkpoint_disk *entry = checkpoint_find_disk (c, disk);

    inside = inside || c == base;
    if (!inside || entry == NULL)
      continue;
    if (c != base && entry->gap_before)
      return "chain-gap";
    /* QEMU's bitmaps grow with a disk; a shrunk one is another disk. */
    if (entry->size > live->size)
      return "disk-resized";
    if (c == base)
      *oldest_size = entry->size;
    bitmap = qmp_disk_bitmap (live, entry->bitmap);
    if (bitmap == NULL)
      return missing_reason (backup, live, c, entry->bitmap);
    if (bitmap->inconsistent)
      return "bitmap-inconsistent";
    g_ptr_array_add (chain, g_strdup (entry->bitmap));
  }
  return bitmap->recording ? NULL : "bitmap-disabled";
}

/* Adds the range from NAME to DISK, or returns why it cannot be answered. */
static const char *
chain_add_base (struct backup *backup, struct backup_disk *disk,
                const struct qmp_disk *live, const char *name,
                bool incremental)
{
  g_autoptr (GPtrArray) chain = g_ptr_array_new_with_free_func (g_free);
  uint64_t oldest_size = 0;
  const char *reason =
    chain_walk (backup, live, disk->name, catalog_find (backup->catalog, name),
                chain, &oldest_size);
  struct backup_base *base;

  if (reason != NULL)
    return reason;
  base = backup_add_base (disk, name, incremental);
  g_ptr_array_unref (base->chain);
  base->chain = g_steal_pointer (&chain);
  base->oldest_size = oldest_size;
  return NULL;
}

static void
chain_add_further_bases (struct backup *backup, struct backup_disk *disk,
                         const struct qmp_disk *live)
{
  for (guint i = 0; i < backup->bases->len; i++) {
    const char *name = g_ptr_array_index (backup->bases, i);
    const char *reason = chain_add_base (backup, disk, live, name, false);
    json_object *o;

    if (reason == NULL)
      continue;
    o = json_object_new_object ();
    json_object_object_add (o, "checkpoint", json_object_new_string (name));
    json_object_object_add (o, "reason", json_object_new_string (reason));
    json_object_array_add (disk->unanswered, o);
  }
}

/* The bitmap that the new checkpoint relieves, and whether the new one can
 * be trusted to follow it without a gap. */
static void
chain_plan_previous (struct backup *backup, struct backup_disk *disk,
                     const struct qmp_disk *live)
{
  const struct checkpoint *newest =
    catalog_newest_of_disk (backup->catalog, disk->name, NULL);
  const struct checkpoint_disk *entry =
    newest == NULL ? NULL : checkpoint_find_disk (newest, disk->name);
  const struct qmp_bitmap *bitmap =
    entry == NULL ? NULL : qmp_disk_bitmap (live, entry->bitmap);

  disk->gap_before = bitmap == NULL || bitmap->inconsistent ||
                     !bitmap->recording || entry->size > live->size;
  if (bitmap != NULL && !bitmap->inconsistent && bitmap->recording)
    disk->previous = g_strdup (bitmap->name);
}

/* Full or incremental.  Returns the failure only with backup->strict. */
static int
chain_plan_mode (struct backup *backup, struct backup_disk *disk,
                 const struct qmp_disk *live, struct failure *why)
{
  const char *reason;

  if (backup->incremental == NULL) {
    disk->reason = "full-requested";
    return 0;
  }
  reason = chain_add_base (backup, disk, live, backup->incremental, true);
  disk->incremental = reason == NULL;
  disk->reason = reason == NULL ? "" : reason;
  if (disk->incremental)
    return 0;
  if (backup->strict)
    return failure_set (why, FAILURE_CHAIN, ESTALE, "the disk %s cannot be "
                        "backed up incrementally from checkpoint %s (%s): "
                        "without --strict it gets a full backup", disk->name,
                        backup->incremental, disk->reason);
  log_warning ("disk %s of %s: full instead of incremental from %s: %s",
               disk->name, backup->domain, backup->incremental, disk->reason);
  return 0;
}

int
backup_chain_plan (struct backup *backup, struct backup_disk *disk,
                   const struct qmp_disk *live, struct failure *why)
{
  int r;

  chain_plan_previous (backup, disk, live);
  r = chain_plan_mode (backup, disk, live, why);
  if (r == 0)
    chain_add_further_bases (backup, disk, live);
  return r;
}

void
backup_chain_merge_back (struct qmp_transaction *t,
                         const struct qmp_disk *live, const char *bitmap,
                         const char *previous)
{
  const struct qmp_bitmap *dropped = qmp_disk_bitmap (live, bitmap);
  const struct qmp_bitmap *kept =
    previous == NULL ? NULL : qmp_disk_bitmap (live, previous);

  if (dropped == NULL)
    return;
  if (kept != NULL && !kept->inconsistent && !dropped->inconsistent) {
    qmp_transaction_bitmap_merge (t, live->node, previous, &bitmap, 1);
    if (!kept->recording)
      qmp_transaction_bitmap_enable (t, live->node, previous);
  }
  qmp_transaction_bitmap_remove (t, live->node, bitmap);
}

/* --- settling tentative checkpoints ---------------------------------------- */

static int
settle_find_disk (struct qmp *qmp, const struct qmp_disks *all,
                  const struct backup_disk_choice *named, size_t n,
                  const char *name, struct qmp_disk *owned,
                  const struct qmp_disk **live)
{
  for (size_t i = 0; i < n; i++)
    if (named[i].node != NULL && strcmp (named[i].name, name) == 0) {
      if (qmp_query_node (qmp, named[i].node, name, owned, NULL) < 0)
        continue;
      *live = owned;
      return 0;
    }
  for (size_t i = 0; i < all->n; i++)
    if (strcmp (all->disks[i].name, name) == 0 && !all->disks[i].empty) {
      *live = &all->disks[i];
      return 0;
    }
  return -ENOENT;
}

/* The bitmap before C on that disk, unless C began a new chain there. */
static const char *
settle_previous (const struct catalog *catalog, const struct checkpoint *c,
                 const struct checkpoint_disk *entry)
{
  const struct checkpoint *previous;

  if (entry->gap_before)
    return NULL;
  previous = catalog_newest_of_disk (catalog, entry->name, c);
  return previous == NULL
         ? NULL : checkpoint_find_disk (previous, entry->name)->bitmap;
}

static int
settle_one (struct qmp *qmp, struct catalog *catalog,
            const struct checkpoint *c, const struct qmp_disks *all,
            const struct backup_disk_choice *named, size_t n,
            struct failure *why)
{
  struct qmp_transaction *t = qmp_transaction_create ();
  g_autofree char *name = g_strdup (c->name);
  int r = 0;

  for (size_t i = 0; i < c->n_disks; i++) {
    const struct checkpoint_disk *entry = &c->disks[i];
    struct qmp_disk owned = { 0 };
    const struct qmp_disk *live = NULL;

    if (settle_find_disk (qmp, all, named, n, entry->name, &owned, &live) < 0)
      log_warning ("checkpoint %s: the disk %s is not there, its bitmap stays",
                   c->name, entry->name);
    else
      backup_chain_merge_back (t, live, entry->bitmap,
                               settle_previous (catalog, c, entry));
    qmp_disk_clear (&owned);
  }
  if (!qmp_transaction_is_empty (t))
    r = qmp_transaction_run (qmp, t, QMP_TIMEOUT_MS, why);
  qmp_transaction_destroy (t);
  if (r < 0)
    return r;
  steps_stop_after ("merge-back");
  log_info ("checkpoint %s was not committed and is merged back", name);
  return catalog_remove (catalog, name, why);
}

static const struct checkpoint *
newest_tentative (const struct catalog *catalog)
{
  for (size_t i = catalog_count (catalog); i-- > 0;)
    if (catalog_at (catalog, i)->state == CHECKPOINT_TENTATIVE)
      return catalog_at (catalog, i);
  return NULL;
}

int
backup_chain_settle (struct qmp *qmp, struct catalog *catalog,
                     const struct backup_disk_choice *named, size_t n,
                     struct failure *why)
{
  const struct checkpoint *c;
  struct qmp_disks all = { 0 };
  int r = 0;

  /* Asked anew for each: settling one changes the bitmaps. */
  while (r == 0 && (c = newest_tentative (catalog)) != NULL) {
    r = qmp_query_disks (qmp, &all, why);
    if (r == 0)
      r = settle_one (qmp, catalog, c, &all, named, n, why);
    qmp_disks_clear (&all);
  }
  return r;
}
