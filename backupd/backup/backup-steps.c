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
#include "backup-freeze.h"
#include "backup-journal.h"
#include "backup-qemu.h"
#include "backup-sink.h"
#include "backup-steps.h"
#include "backup-unplug.h"
#include "checkpoint-run.h"
#include "json-members.h"
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
  CLEANUP_JSON json_object *jobs = NULL;
  struct failure unsaid = { .error = 0 };
  struct backup_disk *disk;
  int r = qmp_job_list (backup->vm.qmp, &jobs, &unsaid);

  if (r < 0)
    return failure_set (why, FAILURE_QMP, -r, "QEMU does not say which jobs it "
                        "still has (%s)", unsaid.text);
  FOR_EACH_DISK (backup, disk)
    if (qmp_job_status (jobs, disk->job_id) != NULL)
      return 1;
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
detach_sink (struct backup *backup, struct failure *why)
{
  g_autoptr (GPtrArray) nodes = g_ptr_array_new ();
  struct backup_disk *disk;

  FOR_EACH_DISK (backup, disk)
    g_ptr_array_add (nodes, disk->sink_node);
  g_ptr_array_add (nodes, NULL);
  return qmp_node_remove_all (backup->vm.qmp,
                              (const char *const *) nodes->pdata, why);
}

static int
undo_attach_sink (void *context, struct failure *why)
{
  struct backup *backup = context;
  int r;

  /* A node goes after its job. */
  if (backup->vm.qmp == NULL || backup->serving.sink_needed)
    return 0;
  r = detach_sink (backup, why);
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

/* --- the freeze, undone ------------------------------------------- */

static int
remove_export_bitmaps (struct backup *backup, struct failure *why)
{
  struct checkpoint_plan *plan = checkpoint_plan_create ();
  CLEANUP_JSON json_object *nodes = NULL;
  struct backup_disk *disk;
  int r = qmp_node_list (backup->vm.qmp, &nodes, why);

  if (r < 0) {
    checkpoint_plan_destroy (plan);
    return r;
  }
  FOR_EACH_DISK (backup, disk) {
    json_object *node = json_find (nodes, "node-name", disk->node);
    json_object *bitmaps = json_get_array (node, "dirty-bitmaps");

    for (size_t i = 0; i < json_length (bitmaps); i++) {
      const char *name =
        json_get_string (json_object_array_get_idx (bitmaps, i), "name");

      if (name != NULL && qmp_name_is (name, backup->tag, BACKUP_EXPORT_BITMAP))
        checkpoint_plan_remove (plan, disk->node, name);
    }
  }
  return checkpoint_run (backup->vm.qmp, plan, why);
}

/* The sink may have died while QEMU ended another one's: what guest writes wait
 * for it QEMU fails when it cancels the job. */
static void
before_cancel (void *context)
{
  backup_sink_ensure_again (context);
}

static int
end_jobs (struct backup *backup, struct failure *why)
{
  g_autoptr (GPtrArray) ids = g_ptr_array_new ();
  struct backup_disk *disk;
  int r = look_for_jobs (backup, why);

  /* Rule Q2: the sink ends when QEMU says that there is no job, not before. */
  backup->serving.sink_needed = r != 0;
  if (r <= 0)
    return r;
  FOR_EACH_DISK (backup, disk)
    g_ptr_array_add (ids, disk->job_id);
  g_ptr_array_add (ids, NULL);
  backup_sink_ensure (backup);
  r = qmp_job_end (backup->vm.qmp, (const char *const *) ids->pdata,
                   JOB_END_TIMEOUT_MS, before_cancel, backup, why);
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
  if (backup_freeze_note (backup, FREEZE_DONE, &fault) == 0)
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
  { "announce-freeze", backup_freeze_announce, NULL },
  { "quiesce", backup_quiesce, backup_quiesce_undo },
  { "freeze", backup_freeze, undo_freeze },
  { "thaw", backup_quiesce_thaw, NULL },
  { "note-freeze", backup_freeze_done, NULL },
  { "look-at-freeze", backup_freeze_look, NULL },
  { "stop-previous", backup_freeze_stop_previous, NULL },
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
