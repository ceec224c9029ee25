/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A redefined checkpoint is somebody's word.  What it leaves open becomes a gap, in it
 * or in the next one: a full backup too many costs time, a delta that is too small
 * costs data (rule C1). */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "checkpoint-chain.h"

/* That DISK's range over this checkpoint is not to be trusted. */
struct doubt {
  const struct checkpoint *c;
  const char *disk;
};

struct redefine {
  const struct checkpoint_domain *domain;
  const struct qmp_disks *live; /* NULL: not validated */
  GArray *doubts;               /* struct doubt */
};

static int
check_unshared (const struct catalog *catalog, const struct checkpoint *c,
                const struct checkpoint_disk *entry, struct failure *why)
{
  for (size_t i = 0; i < catalog_count (catalog); i++) {
    const struct checkpoint *other = catalog_at (catalog, i);
    const struct checkpoint_disk *its =
      catalog_checkpoint_disk (other, entry->name);

    if (other != c && its != NULL && strcmp (its->bitmap, entry->bitmap) == 0)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the bitmap %s "
                          "of disk %s belongs to checkpoint %s", entry->bitmap,
                          entry->name, other->name);
  }
  return 0;
}

static int
validate_disk (const struct catalog *catalog, const struct checkpoint *c,
               const struct checkpoint_disk *entry,
               const struct qmp_disks *disks, struct failure *why)
{
  const struct qmp_disk *live = checkpoint_disks_find (disks, entry->name);
  const struct qmp_bitmap *bitmap =
    live == NULL ? NULL : qmp_disk_bitmap (live, entry->bitmap);
  bool newest = catalog_next_of_disk (catalog, entry->name, c) == NULL;

  if (live == NULL)
    return failure_set (why, FAILURE_DISK_NOT_FOUND, ENOENT, "checkpoint %s "
                        "covers the disk %s, which is not there", c->name,
                        entry->name);
  if (bitmap == NULL || bitmap->inconsistent)
    return failure_set (why, FAILURE_CHAIN, ESTALE, "checkpoint %s: the "
                        "bitmap %s of disk %s is %s", c->name, entry->bitmap,
                        entry->name,
                        bitmap == NULL ? "missing" : "inconsistent");
  if (bitmap->recording != newest)
    return failure_set (why, FAILURE_CHAIN, ESTALE, "checkpoint %s: the "
                        "bitmap %s of disk %s %s, but the checkpoint %s the "
                        "newest of that disk", c->name, entry->bitmap,
                        entry->name, bitmap->recording ? "records"
                        : "does not record", newest ? "is" : "is not");
  return 0;
}

static void
doubt (struct redefine *redefine, const struct checkpoint *c, const char *disk)
{
  const struct doubt one = { .c = c, .disk = disk };

  if (c != NULL)
    g_array_append_val (redefine->doubts, one);
}

/* Only along the parents is one known to follow the other. */
static void
doubt_branches (struct redefine *redefine, const struct catalog *catalog,
                const struct checkpoint *c, struct checkpoint_disk *entry)
{
  const struct checkpoint *before =
    catalog_newest_of_disk (catalog, entry->name, c);
  const struct checkpoint *next =
    catalog_next_of_disk (catalog, entry->name, c);

  if (before == NULL || !catalog_descends (catalog, c, before))
    entry->gap_before = true;
  if (next != NULL && !catalog_descends (catalog, next, c))
    doubt (redefine, next, entry->name);
}

/* Sees the catalog with C in its place.  Gaps are durable before C is (C5). */
static int
check (const struct catalog *catalog, const struct checkpoint *c,
       void *opaque, struct failure *why)
{
  struct redefine *redefine = opaque;
  int r = 0;

  for (size_t i = 0; r == 0 && i < c->n_disks; i++) {
    r = check_unshared (catalog, c, &c->disks[i], why);
    if (r == 0 && redefine->live != NULL)
      r = validate_disk (catalog, c, &c->disks[i], redefine->live, why);
    doubt_branches (redefine, catalog, c, &c->disks[i]);
  }
  for (guint i = 0; r == 0 && i < redefine->doubts->len; i++) {
    const struct doubt *one = &g_array_index (redefine->doubts, struct doubt,
                                              i);

    r = catalog_mark_disk (redefine->domain->catalog, one->c->name, one->disk,
                           true, NULL, why);
  }
  return r;
}

/* Bitmaps that the old C had and the new one has not: what they held is lost
 * to a range that goes over them. */
static void
doubt_replaced (struct redefine *redefine, const struct checkpoint *c)
{
  const struct catalog *catalog = redefine->domain->catalog;
  const struct checkpoint *old = catalog_find (catalog, c->name);

  for (size_t i = 0; old != NULL && i < old->n_disks; i++) {
    const char *disk = old->disks[i].name;
    const struct checkpoint_disk *entry = catalog_checkpoint_disk (c, disk);
    const struct checkpoint *next = catalog_next_of_disk (catalog, disk, old);

    /* The name is the next one's own: OLD goes. */
    if (next != NULL &&
        (entry == NULL || strcmp (entry->bitmap, old->disks[i].bitmap) != 0))
      doubt (redefine, next, catalog_checkpoint_disk (next, disk)->name);
  }
}

/* People are not shown the images, so what they give has none: where its bitmap is the
 * one that was recorded, so is its image; else it is the one that has the bitmap now.  Texts
 * stay OLD's and LIVE's. */
static void
find_sources (const struct checkpoint *old, const struct checkpoint *c,
              const struct qmp_disks *live)
{
  for (size_t i = 0; i < c->n_disks; i++) {
    struct checkpoint_disk *entry = &c->disks[i];
    const struct checkpoint_disk *its =
      old == NULL ? NULL : catalog_checkpoint_disk (old, entry->name);
    const struct qmp_disk *disk = checkpoint_disks_find (live, entry->name);
    const struct qmp_bitmap *bitmap;
    int layer = disk == NULL || disk->lower_unseen ? -1
                : checkpoint_layer (c, disk, &bitmap);

    if (its != NULL && strcmp (its->bitmap, entry->bitmap) == 0)
      entry->source = its->source;
    if (entry->source == NULL && layer >= 0)
      entry->source = layer == 0 ? disk->image : disk->lower[layer - 1].image;
  }
}

/* The disks of now.  Where nothing is validated it is no failure that they are not told. */
static int
query_live (const struct checkpoint_domain *domain, bool validate,
            struct qmp_disks *live, struct failure *why)
{
  struct failure unseen = { .error = 0 };
  int r = domain->qmp == NULL && !validate ? 0
          : checkpoint_disks_query (domain->qmp, &domain->named, live,
                                    validate ? why : &unseen);

  return validate ? r : 0;
}

int
checkpoint_redefine (const struct checkpoint_domain *domain,
                     const struct checkpoint *c, bool validate,
                     struct failure *why)
{
  struct qmp_disks live = { 0 };
  g_autoptr (GArray) doubts = g_array_new (false, false,
                                           sizeof (struct doubt));
  struct redefine redefine = { .domain = domain, .doubts = doubts };
  g_autofree struct checkpoint_disk *disks =
    g_memdup2 (c->disks, c->n_disks * sizeof *c->disks);
  struct checkpoint given = *c;
  int r;

  if (c->parent != NULL && strcmp (c->parent, c->name) == 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "checkpoint %s "
                        "cannot be its own parent", c->name);
  /* What is validated is in the QEMU of now. */
  if (validate || given.boot_id == NULL || given.boot_id[0] == '\0')
    given.boot_id = (char *) domain->boot_id;
  given.state = CHECKPOINT_COMMITTED;
  given.disks = disks;
  if (validate)
    redefine.live = &live;
  r = query_live (domain, validate, &live, why);
  if (r == 0) {
    find_sources (catalog_find (domain->catalog, c->name), &given, &live);
    doubt_replaced (&redefine, &given);
    r = catalog_put (domain->catalog, &given, check, &redefine, why);
  }
  qmp_disks_clear (&live);
  return r;
}
