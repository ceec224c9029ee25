/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whatever was half done, and whether the daemon died, QEMU did not answer or a disk was
 * away: all ends here, in the same few ways, from what the catalog says and QEMU has.  So
 * no verb has a recovery of its own, and each may be stopped at any point. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "checkpoint-chain.h"
#include "checkpoint-run.h"
#include "checkpoint-settle.h"
#include "log.h"
#include "qmp-migration.h"

/* --- one checkpoint that goes ---------------------------------------------------- */

struct drop {
  const struct checkpoint_domain *domain;
  const struct checkpoint *c;
  struct checkpoint_disk *missing;      /* entries of C that are to be kept */
  size_t n_missing;
};

/* A bitmap below counts for the ranges of older checkpoints still; one that was to
 * be deleted, of a disk that is not there, has left a gap. */
static bool
is_missing (const struct checkpoint *c, const struct checkpoint_disk *entry,
            const struct qmp_disks *live)
{
  return c->state == CHECKPOINT_TENTATIVE
         ? entry->lost == NULL && checkpoint_live_disk (c, entry, live) == NULL
         : checkpoint_waits_below (c, entry, live);
}

static void
note_missing (struct drop *drop, const struct qmp_disks *live)
{
  const struct checkpoint *c = drop->c;

  g_free (drop->missing);
  drop->missing = g_new0 (struct checkpoint_disk, c->n_disks);
  drop->n_missing = 0;
  for (size_t i = 0; i < c->n_disks; i++)
    if (is_missing (c, &c->disks[i], live))
      drop->missing[drop->n_missing++] = c->disks[i];
}

static bool
has_its_bitmaps (const struct checkpoint *c, const struct qmp_disks *live)
{
  for (size_t i = 0; i < c->n_disks; i++) {
    const struct qmp_disk *disk = checkpoint_live_disk (c, &c->disks[i], live);

    if (disk != NULL && c->disks[i].lost == NULL &&
        checkpoint_own_bitmap (c, disk) == NULL)
      return false;
  }
  return true;
}

/* A bitmap may be missing for the moment alone in which QEMU gives its images away, also
 * where it then gets them back as the migration fails (rule C10). */
static int
query_disks (const struct drop *drop, struct qmp_disks *live,
             struct failure *why)
{
  const struct checkpoint_domain *domain = drop->domain;
  int r = checkpoint_disks_query (domain->qmp, &domain->named, live, why);

  if (r < 0 || has_its_bitmaps (drop->c, live))
    return r;
  qmp_disks_clear (live);
  r = qmp_migration_gave_images (domain->qmp, why);
  if (r > 0)
    return failure_set (why, FAILURE_BUSY, EBUSY, "the virtual machine is being "
                        "migrated or saved, and the bitmaps of checkpoint %s "
                        "are where its disks are", drop->c->name);
  return r < 0 ? r : checkpoint_disks_query (domain->qmp, &domain->named, live,
                                             why);
}

/* Gaps first, durable (rule C5); then the bitmaps. */
static int
run_bitmaps (void *context, struct failure *why)
{
  struct drop *drop = context;
  const struct checkpoint_domain *domain = drop->domain;
  struct qmp_disks live = { 0 };
  int r = query_disks (drop, &live, why);

  if (r == 0)
    r = checkpoint_drop_mark (domain->catalog, drop->c, &live, why);
  if (r == 0) {
    struct checkpoint_plan *plan = checkpoint_plan_create ();

    checkpoint_plan_drop (plan, domain->catalog, drop->c, &live);
    r = checkpoint_run (domain->qmp, plan, why);
  }
  if (r == 0)
    note_missing (drop, &live);
  qmp_disks_clear (&live);
  return r;
}

/* The children of C become those of KEPT, one of them, so that it takes C's place in the
 * order: their times may be the same. */
static int
give_children (struct catalog *catalog, const char *c, const char *kept,
               struct failure *why)
{
  int r = 0;

  for (size_t i = 0; r == 0 && i < catalog_count (catalog); i++) {
    struct checkpoint child = *catalog_at (catalog, i);

    if (g_strcmp0 (child.parent, c) != 0 || strcmp (child.name, kept) == 0)
      continue;
    child.parent = (char *) kept;
    r = catalog_put (catalog, &child, NULL, NULL, why);
    /* The order is another one now. */
    i = (size_t) -1;
  }
  return r;
}

/* Long names are cut off: no two that are kept become one. */
static char *
name_kept (const struct catalog *catalog, const struct checkpoint *c)
{
  char *name = g_strdup_printf ("%.150s" CHECKPOINT_KEPT "%lld", c->name,
                                (long long) c->creation_time);

  for (unsigned n = 2; catalog_find (catalog, name) != NULL; n++) {
    g_free (name);
    name = g_strdup_printf ("%.150s" CHECKPOINT_KEPT "%lld-%u", c->name,
                            (long long) c->creation_time, n);
  }
  return name;
}

/* What is in the image of a disk that was unplugged, or in one below the active one,
 * is merged back when it can be; until then another name is taken. */
static int
keep_missing (const struct drop *drop, struct failure *why)
{
  g_autofree char *name =
    checkpoint_is_kept (drop->c) ? g_strdup (drop->c->name)
    : name_kept (drop->domain->catalog, drop->c);
  struct checkpoint kept = *drop->c;
  int r;

  kept.name = name;
  kept.state = CHECKPOINT_TENTATIVE;
  kept.disks = drop->missing;
  kept.n_disks = drop->n_missing;
  /* A child of what is removed next, which makes it one of the parent. */
  if (!checkpoint_is_kept (drop->c))
    kept.parent = drop->c->name;
  r = catalog_put (drop->domain->catalog, &kept, NULL, NULL, why);
  return r < 0 || checkpoint_is_kept (drop->c) ? r
         : give_children (drop->domain->catalog, drop->c->name, name, why);
}

/* Does KEPT stand for C, which is there still? */
static bool
is_half_kept (const struct checkpoint *kept, const struct checkpoint *c)
{
  const struct checkpoint_disk *one = kept->n_disks == 0 ? NULL : kept->disks;
  const struct checkpoint_disk *same =
    one == NULL || c == kept || c->creation_time != kept->creation_time
    ? NULL : catalog_checkpoint_disk (c, one->name);

  return same != NULL && c->state != CHECKPOINT_COMMITTED &&
         strcmp (same->bitmap, one->bitmap) == 0;
}

/* KEPT goes, as a child of C, which gets its children: the order stays. */
static int
take_back (struct catalog *catalog, const struct checkpoint *kept,
           const struct checkpoint *c, struct failure *why)
{
  g_autofree char *name = g_strdup (kept->name);
  struct checkpoint child = *kept;
  int r;

  child.parent = c->name;
  r = catalog_put (catalog, &child, NULL, NULL, why);
  return r < 0 ? r : catalog_remove (catalog, name, why);
}

/* Killed between the writes of that: the one that was to replace C names C's own
 * bitmaps, and goes, as C is dropped anew. */
static int
remove_half_kept (struct catalog *catalog, struct failure *why)
{
  for (size_t i = catalog_count (catalog); i-- > 0;) {
    const struct checkpoint *kept = catalog_at (catalog, i);

    for (size_t j = 0; checkpoint_is_kept (kept) && j < catalog_count (catalog); j++)
      if (is_half_kept (kept, catalog_at (catalog, j)))
        return take_back (catalog, kept, catalog_at (catalog, j), why);
  }
  return 0;
}

static int
run_catalog (void *context, struct failure *why)
{
  struct drop *drop = context;
  bool stays = drop->n_missing > 0 && checkpoint_is_kept (drop->c);
  g_autofree char *name = g_strdup (drop->c->name);
  int r = drop->n_missing == 0 ? 0 : keep_missing (drop, why);

  return r < 0 || stays ? r
         : catalog_remove (drop->domain->catalog, name, why);
}

const struct step checkpoint_delete_steps[] = {
  { "delete-bitmaps", run_bitmaps, NULL },
  { "delete-catalog", run_catalog, NULL },
};
const size_t n_checkpoint_delete_steps =
  sizeof checkpoint_delete_steps / sizeof checkpoint_delete_steps[0];

const struct step checkpoint_merge_back_steps[] = {
  { "merge-back", run_bitmaps, NULL },
  { "merge-back-catalog", run_catalog, NULL },
};
const size_t n_checkpoint_merge_back_steps =
  sizeof checkpoint_merge_back_steps / sizeof checkpoint_merge_back_steps[0];

int
checkpoint_drop (const struct checkpoint_domain *domain,
                 const struct checkpoint *c, struct failure *why)
{
  bool tentative = c->state == CHECKPOINT_TENTATIVE;
  bool was_kept = checkpoint_is_kept (c);
  struct drop drop = { .domain = domain, .c = c };
  g_autofree char *name = g_strdup (c->name);
  size_t started;
  int r;

  if (tentative) {
    r = steps_run (checkpoint_merge_back_steps, n_checkpoint_merge_back_steps,
                   &drop, &started, why);
    if (r == 0)
      log_info ("checkpoint %s %sis merged back%s", name,
                was_kept ? "" : "was not committed and ",
                drop.n_missing > 0 ? " where its disks are there" : "");
    g_free (drop.missing);
    return r;
  }
  log_debug ("checkpoint %s is deleted", c->name);
  r = steps_run (checkpoint_delete_steps, n_checkpoint_delete_steps, &drop,
                 &started, why);
  g_free (drop.missing);
  return r;
}

static bool
any_is_there (const struct checkpoint *c, const struct qmp_disks *live)
{
  for (size_t i = 0; i < c->n_disks; i++)
    if (checkpoint_live_disk (c, &c->disks[i], live) != NULL)
      return true;
  return false;
}

/* LIVE (NULL: unknown) tells which of those that wait for a disk wait on. */
static const struct checkpoint *
newest_unsettled (const struct catalog *catalog, const struct qmp_disks *live)
{
  for (size_t i = catalog_count (catalog); i-- > 0;) {
    const struct checkpoint *c = catalog_at (catalog, i);

    if (c->state != CHECKPOINT_COMMITTED &&
        (!checkpoint_is_kept (c) || live == NULL || any_is_there (c, live)))
      return c;
  }
  return NULL;
}

bool
checkpoint_is_unsettled (const struct catalog *catalog)
{
  return newest_unsettled (catalog, NULL) != NULL;
}

/* --- bitmaps that QEMU gave up (after kill -9) ----------------------------------- */

/* Once the bitmap is gone only the mark tells what it was (rule C8). */
static int
stale_remove (const struct checkpoint_domain *domain,
              const struct qmp_disk *live, struct failure *why)
{
  struct checkpoint_plan *plan = checkpoint_plan_create ();
  int r = 0;

  for (size_t i = 0; r == 0 && i < catalog_count (domain->catalog); i++) {
    const struct checkpoint *c = catalog_at (domain->catalog, i);
    const struct qmp_bitmap *bitmap = checkpoint_own_bitmap (c, live);

    if (bitmap == NULL || !bitmap->inconsistent)
      continue;
    r = catalog_mark_disk (domain->catalog, c->name, live->name, false,
                           "bitmap-inconsistent", why);
    if (r == 0)
      checkpoint_plan_remove (plan, live->node, bitmap->name);
  }
  if (r < 0)
    checkpoint_plan_destroy (plan);
  else
    r = checkpoint_run (domain->qmp, plan, why);
  return r;
}

/* Two that record is one too many (rule C2): the newest alone has all since it was
 * made. */
static int
stale_disable (const struct checkpoint_domain *domain,
               const struct qmp_disk *live, struct failure *why)
{
  struct checkpoint_plan *plan = checkpoint_plan_create ();

  checkpoint_plan_surplus (plan, domain->catalog, live);
  for (size_t i = 0; i < checkpoint_plan_count (plan); i++)
    log_disk_warning (live->name, "disk %s: bitmap %s of an older checkpoint "
                      "records too and is disabled", live->name,
                      checkpoint_plan_at (plan, i)->bitmap);
  return checkpoint_run (domain->qmp, plan, why);
}

static int
settle_stale (const struct checkpoint_domain *domain, struct failure *why)
{
  struct qmp_disks live = { 0 };
  int r;

  if (catalog_count (domain->catalog) == 0)
    return 0;
  r = checkpoint_disks_query (domain->qmp, &domain->named, &live, why);
  for (size_t i = 0; r == 0 && i < live.n; i++) {
    const struct qmp_disk *disk = &live.disks[i];
    struct failure one = { .error = 0 };

    /* A read-only disk keeps what it has; a range over it is still refused. */
    if (disk->empty || disk->read_only)
      continue;
    if (stale_remove (domain, disk, &one) < 0 ||
        stale_disable (domain, disk, &one) < 0)
      log_disk_warning (disk->name, "stale bitmaps of disk %s stay for now: %s",
                        disk->name, one.text);
  }
  qmp_disks_clear (&live);
  return r;
}

int
checkpoint_settle (const struct checkpoint_domain *domain,
                   struct failure *why)
{
  int r = remove_half_kept (domain->catalog, why);

  while (r == 0 && checkpoint_is_unsettled (domain->catalog)) {
    struct qmp_disks live = { 0 };
    const struct checkpoint *c = NULL;

    /* Asked anew each time: a disk that goes meanwhile is not there any more. */
    r = checkpoint_disks_query (domain->qmp, &domain->named, &live, why);
    if (r == 0)
      c = newest_unsettled (domain->catalog, &live);
    qmp_disks_clear (&live);
    if (c == NULL)
      break;
    r = checkpoint_drop (domain, c, why);
  }
  return r == 0 ? settle_stale (domain, why) : r;
}
