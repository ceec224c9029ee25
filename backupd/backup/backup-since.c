/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A range is right only if every bitmap from its checkpoint to now is there, is
 * of this disk and has recorded all the time: whatever is in doubt makes it a
 * full backup with a reason, never a guess. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "backup-iothread.h"
#include "backup-since.h"
#include "backup-whole.h"
#include "checkpoint-chain.h"
#include "name.h"
#include "json-members.h"
#include "log.h"
#include "qmp-node.h"

void
backup_since_free (gpointer data)
{
  struct backup_since *since = data;

  g_ptr_array_unref (since->chain);
  g_free (since->checkpoint);
  g_free (since->label);
  g_free (since->context);
  g_free (since->chain_node);
  g_strfreev (since->images);
  g_free (since);
}

static struct backup_since *
since_create (const struct backup *backup, const struct backup_disk *disk,
              const char *checkpoint, bool incremental)
{
  struct backup_since *since = g_new0 (struct backup_since, 1);

  since->checkpoint = g_strdup (checkpoint);
  if (incremental) {
    since->label = g_strdup (INCREMENTAL_LABEL);
    since->context =
      disk->export_bitmap != NULL
      ? g_strconcat (CONTEXT_DIRTY_PREFIX, disk->export_bitmap, NULL)
      : g_strconcat (CONTEXT_DIRTY_PREFIX "backup-", disk->name, NULL);
  } else {
    since->label = g_strconcat (SINCE_LABEL_PREFIX, checkpoint, NULL);
    since->context = g_strconcat (CONTEXT_DIRTY_PREFIX, checkpoint, NULL);
  }
  qmp_name (since->bitmap, backup->tag, BACKUP_EXPORT_BITMAP,
            disk->since->len);
  return since;
}

char *
backup_since_export (const struct backup_disk *disk,
                    const struct backup_since *since)
{
  return g_strconcat (disk->name, "@", since->label, NULL);
}

char *
backup_since_public (const struct backup_disk *disk,
                    const struct backup_since *since)
{
  return g_strconcat (disk->export_name, "@", since->label, NULL);
}

static bool
is_of_this_boot (const struct backup_vm *vm,
                 const struct checkpoint *c)
{
  return strcmp (c->boot_id, vm->boot_id) == 0;
}

/* Why LIVE has no bitmap of checkpoint C.  QEMU writes a new bitmap to the
 * image only when it closes it: one that was made by an earlier process and is
 * missing was never saved, which is what QEMU calls inconsistent. */
static const char *
missing_reason (const struct backup_vm *vm,
                const struct qmp_disk *live, const struct checkpoint *c,
                const char *bitmap)
{
  int below = qmp_node_bitmap_is_below (vm->qmp, live->node, bitmap, NULL);

  if (below > 0)
    return "active-layer-changed";
  if (below < 0 || is_of_this_boot (vm, c))
    return "bitmap-missing";
  return live->can_persist_bitmaps ? "bitmap-inconsistent" : "raw-restarted";
}

/* Is C one of the range, on the image that the range is of?  NULL: *COUNTS says so. */
static const char *
look (const struct backup_vm *vm, const struct qmp_disk *live,
      const struct checkpoint *c, struct backup_range *range, bool *counts)
{
  const struct checkpoint_disk *entry = catalog_checkpoint_disk (c, live->name);
  bool first = range->chain->len == 0;
  const struct qmp_bitmap *bitmap;
  int layer = checkpoint_layer (c, live, &bitmap);

  if (bitmap == NULL || checkpoint_is_somebody_elses (c, live, bitmap))
    return missing_reason (vm, live, c, entry->bitmap);
  if (bitmap->inconsistent)
    return "bitmap-inconsistent";
  if (checkpoint_is_of_other_image (c, live, layer))
    return "disk-replaced";
  if (!checkpoint_image_is_known (c, live))
    return live->lower_unseen ? "active-layer-changed" : "disk-replaced";
  if (first)
    range->layer = (unsigned) layer;
  if (layer > 0 && !live->lower[layer - 1].shows_through)
    return "active-layer-changed";
  /* What was written since the image was covered is allocated above it. */
  *counts = (unsigned) layer == range->layer;
  range->covered = range->covered || (unsigned) layer < range->layer;
  if ((unsigned) layer > range->layer || (*counts && range->covered) ||
      (*counts && !first && entry->gap_before))
    return "chain-gap";
  if (*counts)
    range->recording = bitmap->recording;
  return NULL;
}

const char *
backup_since_walk (const struct backup_vm *vm, const struct qmp_disk *live,
                   const struct checkpoint *since, struct backup_range *range)
{
  bool inside = false;

  if (catalog_checkpoint_disk (since, live->name) == NULL)
    return "disk-new";
  for (size_t i = 0; i < catalog_count (vm->catalog); i++) {
    const struct checkpoint *c = catalog_at (vm->catalog, i);
    const struct checkpoint_disk *entry =
      catalog_checkpoint_disk (c, live->name);
    const char *reason;
    bool counts = false;

    inside = inside || c == since;
    if (!inside || entry == NULL)
      continue;
    if (checkpoint_is_foreign (c, vm->uuid))
      return "other-domain";
    if (entry->lost != NULL)
      return g_intern_string (entry->lost);
    /* QEMU's bitmaps grow with a disk; a shrunk one is another disk. */
    if (entry->size > live->size)
      return "disk-resized";
    if (c == since)
      range->oldest_size = entry->size;
    reason = look (vm, live, c, range, &counts);
    if (reason != NULL)
      return reason;
    if (counts)
      g_ptr_array_add (range->chain, g_strdup (entry->bitmap));
  }
  range->node = range->layer == 0 ? NULL : live->lower[range->layer - 1].node;
  return range->recording ? NULL : "bitmap-disabled";
}

/* The nodes from LIVE's own to that at LAYER; NULL: it is the own one. */
static char **
images_above (const struct qmp_disk *live, unsigned layer)
{
  char **nodes = layer == 0 ? NULL : g_new0 (char *, layer + 2);

  for (unsigned i = 0; nodes != NULL && i <= layer; i++)
    nodes[i] = g_strdup (i == 0 ? live->node : live->lower[i - 1].node);
  return nodes;
}

/* Adds the range from NAME to DISK, or returns why it cannot be answered. */
static const char *
add_range (struct backup *backup, struct backup_disk *disk,
           const struct qmp_disk *live, const char *name, bool incremental)
{
  g_autoptr (GPtrArray) chain = g_ptr_array_new_with_free_func (g_free);
  struct backup_range range = { .chain = chain };
  const char *reason =
    backup_since_walk (&backup->vm, live,
                       catalog_find (backup->vm.catalog, name), &range);
  struct backup_since *since;

  if (reason != NULL)
    return reason;
  if (backup_whole_was_restored (backup, live, name))
    return "image-restored";
  /* What is allocated only QEMU's NBD server tells. */
  if (range.layer > 0 &&
      backup_iothread_kills_server (backup, disk, live) != 0)
    return "active-layer-changed";
  since = since_create (backup, disk, name, incremental);
  since->chain = g_steal_pointer (&chain);
  since->chain_node = g_strdup (range.node);
  since->layer = range.layer;
  since->images = images_above (live, range.layer);
  since->oldest_size = range.oldest_size;
  g_ptr_array_add (disk->since, since);
  return NULL;
}

static void
add_further (struct backup *backup, struct backup_disk *disk,
             const struct qmp_disk *live)
{
  const struct arguments_backup_begin *given = backup->options.given;
  size_t n = given->all_bases ? catalog_count (backup->vm.catalog)
                              : given->bases.n;

  for (size_t i = 0; i < n; i++) {
    const struct checkpoint *c =
      given->all_bases ? catalog_at (backup->vm.catalog, i) : NULL;
    const char *name = c == NULL ? control_list_at (&given->bases, i)
                                 : c->name, *reason;
    json_object *o;

    /* One that waits to be merged back is nobody's base. */
    if (c != NULL && c->state != CHECKPOINT_COMMITTED)
      continue;
    reason = add_range (backup, disk, live, name, false);
    if (reason == NULL)
      continue;
    o = json_with ("checkpoint", name);
    json_add_string (o, "reason", reason);
    json_object_array_add (disk->unanswered, o);
  }
}

/* Full or incremental.  Returns the failure only where --strict was given. */
static int
plan_mode (struct backup *backup, struct backup_disk *disk,
           const struct qmp_disk *live, struct failure *why)
{
  const char *reason;

  if (disk->asked_since == NULL) {
    disk->reason = "full-requested";
    return 0;
  }
  reason = add_range (backup, disk, live, disk->asked_since, true);
  disk->incremental = reason == NULL;
  disk->reason = reason == NULL ? "" : reason;
  if (disk->incremental)
    return 0;
  if (backup->options.given->strict)
    return failure_set (why, FAILURE_CHAIN, ESTALE, "the disk %s cannot be "
                        "backed up incrementally from checkpoint %s (%s): "
                        "without --strict it gets a full backup", disk->name,
                        disk->asked_since, disk->reason);
  log_disk_warning (disk->name, "disk %s of %s: full instead of incremental "
                    "from %s: %s", disk->name, backup->options.domain,
                    disk->asked_since, disk->reason);
  return 0;
}

int
backup_since_plan (struct backup *backup, struct backup_disk *disk,
                   const struct qmp_disk *live, struct failure *why)
{
  const char *previous;
  int r;

  checkpoint_find_previous (backup->vm.catalog, live, backup->vm.uuid,
                            &previous, &disk->gap_before);
  disk->previous = g_strdup (previous);
  r = plan_mode (backup, disk, live, why);
  if (r == 0)
    add_further (backup, disk, live);
  return r;
}
