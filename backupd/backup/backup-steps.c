/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A backup, step by step.  The table at the end is the order; each undo is
 * idempotent (steps.h).  Where an undo needs QEMU and QEMU is gone
 * (backup->vm.qmp NULL), there is nothing left to undo. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backup-base.h"
#include "backup-expiry.h"
#include "backup-journal.h"
#include "backup-plan.h"
#include "backup-qemu.h"
#include "backup-sink.h"
#include "backup-snapshot.h"
#include "backup-steps.h"
#include "backup-unplug.h"
#include "backup-write-error.h"
#include "checkpoint-run.h"
#include "log.h"
#include "qmp-job.h"
#include "qmp-node.h"

#define JOB_END_TIMEOUT_MS 90000
/* The longest that QEMU can wait, some 136 years. */
#define SINK_WAIT_MOST UINT32_MAX

/* 1: a job of ours is there, 0: none is, -errno: QEMU does not say. */
static int
look_for_jobs (struct backup *backup, struct failure *why)
{
  struct backup_disk *disk;
  char status[32];

  FOR_EACH_DISK (backup, disk) {
    int r = qmp_job_status (backup->vm.qmp, disk->job_id, status,
                            sizeof status);

    if (r == 0)
      return 1;
    if (r != -ENOENT)
      return failure_set (why, FAILURE_QMP, -r, "QEMU does not say whether it "
                          "still has the job %s", disk->job_id);
  }
  return 0;
}

/* Before QEMU is told to let go of it. */
static void
note_sink_leaves (struct backup *backup)
{
  backup->serving.sink_leaves = true;
  backup_sink_limit (backup);
}

void
backup_steps_prepare_undo (struct backup *backup)
{
  note_sink_leaves (backup);
  /* Found out anew.  A QEMU that is gone needs none. */
  backup->serving.sink_needed = false;
  if (backup->vm.qmp != NULL && look_for_jobs (backup, NULL) > 0)
    backup_sink_ensure (backup);
}

/* --- sink node ---------------------------------------------------- */

static int
run_attach_sink (void *context, struct failure *why)
{
  struct backup *backup = context;
  unsigned wait = backup->paths.sink_wait == 0 ? SINK_WAIT_MOST
                                         : (unsigned) backup->paths.sink_wait;
  struct backup_disk *disk;

  FOR_EACH_DISK (backup, disk) {
    int r = qmp_node_add_nbd (backup->vm.qmp, disk->sink_node,
                              backup->serving.sink_socket, disk->name, wait,
                              why);
    if (r < 0)
      return r;
  }
  return backup_sink_is_reached (backup, why);
}

static int
detach_sink (struct backup *backup, struct backup_disk *disk,
             struct failure *why)
{
  int r = qmp_node_exists (backup->vm.qmp, disk->sink_node, why);

  return r <= 0 ? r : qmp_node_remove (backup->vm.qmp, disk->sink_node, why);
}

static int
undo_attach_sink (void *context, struct failure *why)
{
  struct backup *backup = context;
  int r;

  /* A node goes after its job. */
  if (backup->vm.qmp == NULL || backup->serving.sink_needed)
    return 0;
  r = backup_model_each_disk (backup, detach_sink, why);
  /* Rule Q2: QEMU waits for the sink when it closes a node. */
  backup->serving.sink_needed = r != 0;
  if (r == 0)
    backup_unplug_release (backup);
  return r;
}

/* --- checkpoint in the catalog (rule C3: before the bitmaps) ------ */

static int
run_add_checkpoint (void *context, struct failure *why)
{
  struct backup *backup = context;
  const struct checkpoint *newest = catalog_newest (backup->vm.catalog);
  g_autofree struct checkpoint_disk *disks =
    g_new0 (struct checkpoint_disk, backup->disks->len);
  struct checkpoint c = {
    .name = (char *) backup->options.checkpoint,
    .consumer = (char *) backup->options.consumer,
    .description = (char *) backup->options.description,
    .parent = newest == NULL ? NULL : newest->name,
    .domain_uuid = backup->vm.uuid, .boot_id = backup->vm.boot_id,
    .creation_time = backup->started, .state = CHECKPOINT_TENTATIVE,
    .disks = disks
  };
  struct backup_disk *disk;

  if (backup->options.checkpoint == NULL)
    return 0;
  FOR_EACH_DISK (backup, disk)
    if (!disk->no_checkpoint)
      disks[c.n_disks++] = (struct checkpoint_disk) {
        .name = disk->name, .bitmap = (char *) backup->options.checkpoint,
        .size = disk->size,
        .source = disk->image,
        .gap_before = disk->gap_before };
  return catalog_add (backup->vm.catalog, &c, why);
}

/* QEMU has not made it: a bitmap of its name is somebody else's. */
static int
forget_checkpoint (struct backup *backup, struct failure *why)
{
  const struct checkpoint *c = backup->options.checkpoint == NULL ? NULL
    : catalog_find (backup->vm.catalog, backup->options.checkpoint);

  return c == NULL || c->state != CHECKPOINT_TENTATIVE ? 0
         : catalog_remove (backup->vm.catalog, backup->options.checkpoint, why);
}

/* The QEMU that ran the backup would have a job, then; it stored its bitmaps if
 * it has ended. */
static bool
has_not_frozen (const struct backup *backup)
{
  return backup->freeze.known == FREEZE_NOT ||
         (backup->freeze.known == FREEZE_MAYBE && backup->vm.qmp != NULL &&
          backup_qemu_is (backup, backup->vm.qmp));
}

/* A checkpoint that was not committed is merged back.  When QEMU is gone it
 * stays tentative until QEMU is back. */
static int
undo_add_checkpoint (void *context, struct failure *why)
{
  struct backup *backup = context;
  g_autofree struct disk_choice *named =
    g_new0 (struct disk_choice, backup->disks->len);
  struct failure fault = { .error = 0 };
  struct backup_disk *disk;
  size_t n = 0;
  int r;

  /* Without a catalog nothing is known of the bitmaps: see backup_recover. */
  if (backup->vm.catalog == NULL)
    return 0;
  if (has_not_frozen (backup))
    return forget_checkpoint (backup, why);
  /* Its bitmaps may have gone with the images, and are settled there (C10). */
  r = backup->vm.qmp == NULL ? 1
      : qmp_migration_gave_images (backup->vm.qmp, why);
  if (r != 0)
    return r < 0 ? r : 0;
  FOR_EACH_DISK (backup, disk)
    named[n++] = (struct disk_choice) { .name = disk->name,
                                        .node = disk->node };
  r = backup_model_settle (backup, named, n, &fault);
  /* The same, where they went just now. */
  if (r == -EBUSY && qmp_migration_gave_images (backup->vm.qmp, NULL) > 0)
    return 0;
  return r == 0 ? 0 : failure_set (why, fault.class, -r, "%s", fault.text);
}

/* --- the freeze (rule N1) ----------------------------------------- */

typedef void (*plan_fn) (struct checkpoint_plan *plan,
                         const struct checkpoint_share *shares, size_t n);

static void
share_fill (const struct backup *backup, const struct backup_disk *disk,
            struct checkpoint_share *share)
{
  struct checkpoint_range *ranges =
    g_new0 (struct checkpoint_range, disk->since->len);
  bool covered = backup->options.checkpoint != NULL && !disk->no_checkpoint;
  struct backup_since *since;

  *share = (struct checkpoint_share) {
    .node = disk->node, .bitmap = covered ? backup->options.checkpoint : NULL,
    .persistent = disk->can_persist, .previous = disk->previous,
    .job = disk->job_id, .target = disk->sink_node,
    .filter = disk->filter_node, .ranges = ranges
  };
  FOR_EACH_SINCE (disk, since)
    ranges[share->n_ranges++] = (struct checkpoint_range) {
      .bitmap = since->bitmap,
      .chain = (const char *const *) since->chain->pdata,
      .n_chain = since->chain->len
    };
}

static int
run_plan (struct backup *backup, plan_fn part, struct failure *why)
{
  struct checkpoint_plan *plan = checkpoint_plan_create ();
  g_autofree struct checkpoint_share *shares =
    g_new0 (struct checkpoint_share, backup->disks->len);
  struct backup_disk *disk;
  size_t n = 0;

  FOR_EACH_DISK (backup, disk)
    share_fill (backup, disk, &shares[n++]);
  part (plan, shares, n);
  while (n-- > 0)
    g_free ((gpointer) shares[n].ranges);
  return checkpoint_run (backup->vm.qmp, plan, why);
}

/* What QEMU refused: did somebody come first? */
static int
pass_refusal (const struct backup *backup, const struct failure *refusal,
              struct failure *why)
{
  struct backup_disk *disk;

  FOR_EACH_DISK (backup, disk) {
    const struct qmp_disk live = { .name = disk->name, .node = disk->node,
                                   .device = (char *) "" };
    struct failure taken = { .error = 0 };

    if (backup_plan_check_jobs (backup, &live, &taken) == -EBUSY)
      return failure_set (why, taken.class, taken.error, "%s", taken.text);
  }
  return failure_set (why, refusal->class, refusal->error, "%s",
                      refusal->text);
}

/* Where the daemon dies and QEMU ends after that, only the journal tells. */
static int
note_freeze (struct backup *backup, enum backup_frozen freeze,
             struct failure *why)
{
  int r = 0;

  backup->freeze.known = freeze;
  if (backup->freeze.noted != freeze)
    r = backup_journal_write (backup, why);
  if (r == 0)
    backup->freeze.noted = freeze;
  return r;
}

/* Not within the freeze, as the journal's storage may take long. */
static int
run_announce_freeze (void *context, struct failure *why)
{
  int r = backup_snapshot_begin (context, why);

  r = r < 0 ? r : backup_write_error_begin (context, why);
  return r < 0 ? r : note_freeze (context, FREEZE_MAYBE, why);
}

static int
run_note_freeze (void *context, struct failure *why)
{
  return note_freeze (context, FREEZE_DONE, why);
}

static void
note_refusal (struct backup *backup)
{
  struct failure why = { .error = 0 };

  if (note_freeze (backup, FREEZE_NOT, &why) < 0)
    log_warning ("%s", why.text);
}

static int
run_freeze (void *context, struct failure *why)
{
  struct backup *backup = context;
  struct failure refusal = { .error = 0 };
  gint64 start = g_get_monotonic_time ();
  int r;

  backup->freeze.known = FREEZE_DONE;
  r = run_plan (backup, checkpoint_plan_start, &refusal);
  backup->freeze.ms = (double) (g_get_monotonic_time () - start) / 1000;
  if (r == 0)
    return 0;
  backup_quiesce_thaw (backup, NULL);
  /* Otherwise QEMU may have run it, and the jobs that it has are ours. */
  if (r != -EREMOTEIO)
    return failure_set (why, refusal.class, -r, "%s", refusal.text);
  /* QEMU's own no: it has rolled back. */
  note_refusal (backup);
  return pass_refusal (backup, &refusal, why);
}

/* Rule C2: the new ones record by now. */
static int
run_stop_previous (void *context, struct failure *why)
{
  return run_plan (context, checkpoint_plan_stop, why);
}

static int
remove_export_bitmaps (struct backup *backup, struct failure *why)
{
  struct checkpoint_plan *plan = checkpoint_plan_create ();
  struct backup_disk *disk;

  FOR_EACH_DISK (backup, disk) {
    struct qmp_disk live;

    if (qmp_disk_query (backup->vm.qmp, disk->node, disk->name, &live,
                        NULL) < 0)
      continue;
    for (size_t i = 0; i < live.n_bitmaps; i++)
      if (qmp_name_is (live.bitmaps[i].name, backup->tag,
                       BACKUP_EXPORT_BITMAP))
        checkpoint_plan_remove (plan, disk->node, live.bitmaps[i].name);
    qmp_disk_clear (&live);
  }
  return checkpoint_run (backup->vm.qmp, plan, why);
}

/* The sink may have died while QEMU ended another one's: what guest writes wait
 * for it QEMU fails when it cancels the job. */
static int
end_job (struct backup *backup, struct backup_disk *disk, struct failure *why)
{
  backup_sink_ensure_again (backup);
  return qmp_job_end (backup->vm.qmp, disk->job_id, JOB_END_TIMEOUT_MS, why);
}

static int
end_jobs (struct backup *backup, struct failure *why)
{
  int r = look_for_jobs (backup, why);

  /* Rule Q2: the sink ends when QEMU says that there is no job, not before. */
  backup->serving.sink_needed = r != 0;
  if (r <= 0)
    return r;
  backup_sink_ensure (backup);
  r = backup_model_each_disk (backup, end_job, why);
  backup->serving.sink_needed = r != 0;
  return r;
}

/* While its job is there QEMU tells that the freeze has been; afterwards only
 * the journal does, which whoever merges back later must have. */
static int
note_frozen (struct backup *backup, struct failure *why)
{
  struct failure fault = { .error = 0 };

  if (backup->freeze.known != FREEZE_DONE && look_for_jobs (backup, NULL) == 0)
    return 0;
  if (note_freeze (backup, FREEZE_DONE, &fault) == 0)
    return 0;
  if (backup->vm.catalog == NULL)
    return failure_set (why, fault.class, fault.error, "%s", fault.text);
  log_warning ("%s", fault.text);
  return 0;
}

static int
end_freeze (struct backup *backup, struct failure *why)
{
  int r = note_frozen (backup, why);

  backup->serving.sink_needed = r < 0;
  return r < 0 ? r : end_jobs (backup, why);
}

static int
undo_freeze (void *context, struct failure *why)
{
  struct backup *backup = context;
  int first, r;

  if (backup->vm.qmp == NULL)
    return 0;
  first = end_freeze (backup, why);
  r = remove_export_bitmaps (backup, why);
  return first != 0 ? first : r;
}

/* --- after the import --------------------------------------------- */

/* What only the import needed goes at once. */
static int
run_drop_import (void *context, struct failure *why)
{
  struct backup *backup = context;
  int r = remove_export_bitmaps (backup, why);

  if (r == 0 && !backup_base_needs_server (backup))
    r = backup_server_stop (backup, why);
  return r;
}

/* --- at last ------------------------------------------------------ */

/* From here on the next daemon goes on with it. */
static int
run_note_ready (void *context, struct failure *why)
{
  struct backup *backup = context;
  int r;

  backup_expiry_start (backup);
  r = backup_journal_write_phase (backup, BACKUP_PHASE_READY, why);
  backup_sink_limit (backup);
  return r;
}

/* --- the table ---------------------------------------------------- */

const struct step backup_steps[] = {
  { "pace", backup_pace_open, backup_pace_close },
  { "stores", backup_stores_create, backup_stores_remove },
  { "sink", backup_sink_start, backup_sink_stop },
  { "attach-sink", run_attach_sink, undo_attach_sink },
  { "forbid-migration", backup_migration_forbid, backup_migration_allow },
  { "nbd-server", backup_server_start, backup_server_stop },
  { "add-checkpoint", run_add_checkpoint, undo_add_checkpoint },
  { "flush-ahead", backup_flush_ahead, NULL },
  { "announce-freeze", run_announce_freeze, NULL },
  { "quiesce", backup_quiesce, backup_quiesce_undo },
  { "freeze", run_freeze, undo_freeze },
  { "thaw", backup_quiesce_thaw, NULL },
  { "note-freeze", run_note_freeze, NULL },
  { "look-at-freeze", backup_freeze_look, NULL },
  { "stop-previous", run_stop_previous, NULL },
  { "export", backup_base_export, backup_base_unexport },
  { "flush", backup_flush, NULL },
  { "import", backup_import, backup_import_undo },
  { "drop-import", run_drop_import, NULL },
  { "view", backup_view_start, backup_view_stop },
  { "gateway", backup_gateway_start, backup_gateway_stop },
  { "check", backup_check, NULL },
  { "note-ready", run_note_ready, NULL },
};
const size_t n_backup_steps = sizeof backup_steps / sizeof backup_steps[0];

static size_t
step_called (const char *name)
{
  for (size_t i = 0; i < n_backup_steps; i++)
    if (strcmp (backup_steps[i].name, name) == 0)
      return i;
  abort ();
}

int
backup_steps_detach (struct backup *backup, struct failure *why)
{
  size_t first = step_called ("sink"), last = step_called ("export");
  int r = 0;

  note_sink_leaves (backup);
  /* A migration that ends may fail of the jobs alone: they go before all else, which waits
   * for the abort that comes next where they do not. */
  if (backup->yields != NULL && backup->vm.qmp != NULL)
    r = end_freeze (backup, why);
  if (r < 0)
    return r;
  backup_steps_prepare_undo (backup);
  return steps_undo (&backup_steps[first], last + 1 - first, backup, why);
}
