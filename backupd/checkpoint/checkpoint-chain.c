/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checkpoint K goes (rules C4, C5).  P is the nearest older one of the disk, N
 * the next.
 *
 *   P and K sound, no gap between   K is merged into P; if K was the newest and
 *                                   recorded, P records again
 *   K on an image below the active  K is kept under another name until it can be
 *   one, where QEMU changes none    merged
 *   else                            K is dropped, N gets a gap before it; if K was
 *                                   the newest nothing records (rule C1)
 *
 * K merged into P, not into N: "since P" includes what changed between K and N. */
#include <config.h>

#include <string.h>

#include <glib.h>

#include "checkpoint-chain.h"
#include "qmp-image.h"

bool
checkpoint_is_foreign (const struct checkpoint *c, const char *uuid)
{
  return c->domain_uuid[0] != '\0' && strcmp (c->domain_uuid, uuid) != 0;
}

int
checkpoint_layer (const struct checkpoint *c, const struct qmp_disk *live,
                  const struct qmp_bitmap **bitmap)
{
  const struct checkpoint_disk *entry = catalog_checkpoint_disk (c, live->name);

  *bitmap = NULL;
  return entry == NULL ? -1
         : checkpoint_disks_layer (live, entry->bitmap, bitmap);
}

/* Which image that is cannot always be told; that of a running QEMU stays. */
static bool
is_image (const struct checkpoint *c, const struct qmp_disk *live,
          const char *before, const char *now)
{
  enum qmp_image_likeness likeness = qmp_image_compare (before, now);

  return likeness == QMP_IMAGE_SAME ||
         (likeness == QMP_IMAGE_UNKNOWN && c->boot_id[0] != '\0' &&
          strcmp (c->boot_id, live->boot_id) == 0);
}

bool
checkpoint_is_of_other_image (const struct checkpoint *c,
                              const struct qmp_disk *live, int layer)
{
  const struct checkpoint_disk *entry = catalog_checkpoint_disk (c, live->name);
  const char *now = layer == 0 ? live->image : live->lower[layer - 1].image;

  return entry != NULL && entry->source != NULL &&
         !is_image (c, live, entry->source, now);
}

bool
checkpoint_image_is_known (const struct checkpoint *c,
                           const struct qmp_disk *live)
{
  return !live->lower_unseen &&
         catalog_checkpoint_disk (c, live->name)->source != NULL;
}

/* What cannot persist ended with the QEMU that it was made in, unless it went along to
 * another one: a bitmap of its name is somebody else's. */
bool
checkpoint_is_somebody_elses (const struct checkpoint *c,
                              const struct qmp_disk *live,
                              const struct qmp_bitmap *bitmap)
{
  return !bitmap->persistent && c->boot_id[0] != '\0' &&
         live->boot_id[0] != '\0' && strcmp (c->boot_id, live->boot_id) != 0 &&
         !live->bitmaps_migrated;
}

const struct qmp_bitmap *
checkpoint_own_bitmap (const struct checkpoint *c, const struct qmp_disk *live)
{
  const struct qmp_bitmap *bitmap;

  return c == NULL || live == NULL ||
         checkpoint_layer (c, live, &bitmap) != 0 ||
         checkpoint_is_of_other_image (c, live, 0) ||
         checkpoint_is_somebody_elses (c, live, bitmap) ? NULL : bitmap;
}

const struct qmp_bitmap *
checkpoint_sound_bitmap (const struct checkpoint *c,
                         const struct qmp_disk *live)
{
  const struct qmp_bitmap *bitmap = checkpoint_own_bitmap (c, live);

  return bitmap == NULL || bitmap->inconsistent ||
         !checkpoint_image_is_known (c, live) ||
         catalog_checkpoint_disk (c, live->name)->lost != NULL ? NULL : bitmap;
}

const struct qmp_disk *
checkpoint_live_disk (const struct checkpoint *c,
                      const struct checkpoint_disk *entry,
                      const struct qmp_disks *disks)
{
  const struct qmp_disk *live = checkpoint_disks_find (disks, entry->name);
  const struct qmp_bitmap *bitmap;
  int layer = live == NULL ? -1 : checkpoint_layer (c, live, &bitmap);

  if (live == NULL || live->read_only || layer > 0)
    return NULL;
  if (layer == 0)
    return checkpoint_is_of_other_image (c, live, 0) ? NULL : live;
  return entry->source == NULL ||
         is_image (c, live, entry->source, live->image) ? live : NULL;
}

bool
checkpoint_is_kept (const struct checkpoint *c)
{
  return c->state == CHECKPOINT_TENTATIVE &&
         strstr (c->name, CHECKPOINT_KEPT) != NULL;
}

bool
checkpoint_waits_below (const struct checkpoint *c,
                        const struct checkpoint_disk *entry,
                        const struct qmp_disks *disks)
{
  const struct qmp_disk *live = checkpoint_disks_find (disks, entry->name);
  const struct qmp_bitmap *bitmap;
  int layer = live == NULL ? -1 : checkpoint_layer (c, live, &bitmap);

  return layer > 0 && entry->lost == NULL &&
         !checkpoint_is_of_other_image (c, live, layer) &&
         !checkpoint_is_somebody_elses (c, live, bitmap) &&
         (c->state == CHECKPOINT_TENTATIVE ||
          strstr (c->name, CHECKPOINT_KEPT) == NULL);
}

void
checkpoint_find_previous (const struct catalog *catalog,
                          const struct qmp_disk *live, const char *uuid,
                          const char **previous, bool *gap_before)
{
  const struct checkpoint *newest =
    catalog_newest_of_disk (catalog, live->name, NULL);
  const struct checkpoint_disk *entry =
    newest == NULL ? NULL : catalog_checkpoint_disk (newest, live->name);
  const struct qmp_bitmap *bitmap = checkpoint_sound_bitmap (newest, live);
  bool records = bitmap != NULL && bitmap->recording;

  *previous = records ? entry->bitmap : NULL;
  *gap_before = !records || entry->size > live->size ||
                checkpoint_is_foreign (newest, uuid);
}

const char *
checkpoint_merge_target (const struct catalog *catalog,
                         const struct checkpoint *c,
                         const struct checkpoint_disk *entry,
                         const struct qmp_disk *live)
{
  const struct checkpoint *previous =
    catalog_newest_of_disk (catalog, entry->name, c);

  if (entry->gap_before || checkpoint_sound_bitmap (c, live) == NULL ||
      checkpoint_sound_bitmap (previous, live) == NULL)
    return NULL;
  return catalog_checkpoint_disk (previous, entry->name)->bitmap;
}

static int
mark_disk (struct catalog *catalog, const struct checkpoint *c,
           const struct checkpoint_disk *entry, const struct qmp_disk *live,
           struct failure *why)
{
  const struct checkpoint *next =
    catalog_next_of_disk (catalog, entry->name, c);
  bool is_there = checkpoint_own_bitmap (c, live) != NULL;
  /* Rule C6: from the intent on, missing without a mark means merged. */
  bool merged = live != NULL && !is_there && entry->lost == NULL &&
                !checkpoint_is_kept (c);
  bool gap = entry->gap_before ||
             (!merged &&
              checkpoint_merge_target (catalog, c, entry, live) == NULL);

  if (!gap || next == NULL)
    return 0;
  return catalog_mark_disk (catalog, next->name, entry->name, true, NULL, why);
}

int
checkpoint_drop_mark (struct catalog *catalog, const struct checkpoint *c,
                      const struct qmp_disks *live, struct failure *why)
{
  int r = 0;

  for (size_t i = 0; r == 0 && i < c->n_disks; i++)
    if (!checkpoint_waits_below (c, &c->disks[i], live))
      r = mark_disk (catalog, c, &c->disks[i],
                     checkpoint_live_disk (c, &c->disks[i], live), why);
  return r;
}
