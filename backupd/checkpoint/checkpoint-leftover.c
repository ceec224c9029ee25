/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bitmaps of checkpoints that the catalog has forgotten. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "checkpoint-chain.h"
#include "checkpoint-run.h"

/* The checkpoint that has the bitmap NAME on DISK; NULL: none. */
static const struct checkpoint *
find_owner (const struct catalog *catalog, const char *disk, const char *name)
{
  for (size_t i = 0; i < catalog_count (catalog); i++) {
    const struct checkpoint *c = catalog_at (catalog, i);
    const struct checkpoint_disk *entry = catalog_checkpoint_disk (c, disk);

    if (entry != NULL && strcmp (entry->bitmap, name) == 0)
      return c;
  }
  return NULL;
}

static int
say_none (const char *domain, const struct qmp_disks *live, const char *name,
          struct failure *why)
{
  const struct qmp_bitmap *bitmap;

  for (size_t i = 0; i < live->n; i++)
    if (checkpoint_disks_layer (&live->disks[i], name, &bitmap) > 0)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EROFS, "the bitmap %.200s "
                          "is on an image below that of disk %s, where QEMU "
                          "changes none: commit the snapshot above it first "
                          "(virsh blockcommit)", name, live->disks[i].name);
  return failure_set (why, FAILURE_CHECKPOINT_NOT_FOUND, ENOENT,
                      "no disk of domain %s has a bitmap %.200s", domain, name);
}

static int
add_removals (struct checkpoint_plan *plan, const struct catalog *catalog,
              const struct qmp_disks *live, const char *name,
              json_object *disks, struct failure *why)
{
  for (size_t i = 0; i < live->n; i++) {
    const struct qmp_disk *disk = &live->disks[i];
    const struct checkpoint *owner = find_owner (catalog, disk->name, name);

    if (qmp_disk_bitmap (disk, name) == NULL)
      continue;
    if (owner != NULL)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EEXIST, "the bitmap %s "
                          "of disk %s belongs to checkpoint %s: delete that",
                          name, disk->name, owner->name);
    checkpoint_plan_remove (plan, disk->node, name);
    json_object_array_add (disks, json_object_new_string (disk->name));
  }
  return 0;
}

int
checkpoint_remove_leftover (const struct checkpoint_domain *domain,
                            const char *name, json_object *disks,
                            struct failure *why)
{
  struct qmp_disks live = { 0 };
  struct checkpoint_plan *plan = checkpoint_plan_create ();
  int r = checkpoint_disks_query (domain->qmp, &domain->named, &live, why);

  if (r == 0)
    r = add_removals (plan, domain->catalog, &live, name, disks, why);
  if (r == 0 && checkpoint_plan_count (plan) == 0)
    r = say_none (domain->name, &live, name, why);
  if (r == 0)
    r = checkpoint_run (domain->qmp, plan, why);
  else
    checkpoint_plan_destroy (plan);
  qmp_disks_clear (&live);
  return r;
}
