/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU tells a bitmap's count, but not that of several together: so they are
 * merged into one that lives for this call.  One that a crash left is removed
 * by the next call. */
#include <config.h>

#include <errno.h>

#include "backup-since.h"
#include "backup-size.h"
#include "checkpoint-run.h"
#include "qmp-peer.h"

#define SIZE_BITMAP "pullback-tmp-size"

static int
drop (struct qmp *qmp, const char *node, struct failure *why)
{
  struct checkpoint_plan *plan = checkpoint_plan_create ();

  checkpoint_plan_remove (plan, node, SIZE_BITMAP);
  return checkpoint_run (qmp, plan, why);
}

static int
count (struct qmp *qmp, const struct qmp_disk *live, uint64_t *bytes,
       struct failure *why)
{
  const struct qmp_bitmap *bitmap;
  struct qmp_disk now = { 0 };
  int r = qmp_disk_query (qmp, live->node, live->name, &now, why);

  if (r < 0)
    return r;
  bitmap = qmp_disk_bitmap (&now, SIZE_BITMAP);
  if (bitmap == NULL)
    r = failure_set (why, FAILURE_QMP, EPROTO, "QEMU has lost the bitmap "
                     SIZE_BITMAP " of disk %s", live->name);
  else
    *bytes = bitmap->count;
  qmp_disk_clear (&now);
  return r;
}

static int
merge_and_count (struct qmp *qmp, const struct qmp_disk *live,
                 const GPtrArray *chain, uint64_t *bytes, struct failure *why)
{
  const struct checkpoint_range range = {
    .bitmap = SIZE_BITMAP, .chain = (const char *const *) chain->pdata,
    .n_chain = chain->len
  };
  struct checkpoint_plan *plan = checkpoint_plan_create ();
  int r, dropped;

  if (qmp_disk_bitmap (live, SIZE_BITMAP) != NULL)
    checkpoint_plan_remove (plan, live->node, SIZE_BITMAP);
  checkpoint_plan_copy (plan, live->node, &range);
  r = checkpoint_run (qmp, plan, why);
  if (r < 0)
    return r;
  r = count (qmp, live, bytes, why);
  dropped = drop (qmp, live->node, why);
  return r < 0 ? r : dropped;
}

int
backup_size_since (struct qmp *qmp, struct catalog *catalog,
                   const struct checkpoint *since, const struct qmp_disk *live,
                   const char **reason, uint64_t *bytes, struct failure *why)
{
  g_autoptr (GPtrArray) chain = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *boot_id = qmp_boot_id (qmp);
  char uuid[64];
  const struct backup_vm vm = {
    .qmp = qmp, .catalog = catalog, .boot_id = boot_id, .uuid = uuid
  };
  struct backup_range range = { .chain = chain };
  int r = qmp_uuid (qmp, uuid, sizeof uuid, why);

  if (r < 0)
    return r;
  *reason = backup_since_walk (&vm, live, since, &range);
  /* What is allocated above it QEMU does not count. */
  if (*reason == NULL && range.layer > 0)
    *reason = "active-layer-changed";
  return *reason != NULL ? 0 : merge_and_count (qmp, live, chain, bytes, why);
}
