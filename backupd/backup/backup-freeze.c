/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The point in time (rule N1).  The journal says before it that it may have been, and after it
 * that it has: where the daemon dies and QEMU ends after that, only the journal tells. */
#include <config.h>

#include <errno.h>

#include "backup-freeze.h"
#include "backup-journal.h"
#include "backup-plan.h"
#include "backup-snapshot.h"
#include "backup-steps.h"
#include "backup-write-error.h"
#include "checkpoint-run.h"
#include "json-members.h"
#include "log.h"
#include "qmp-graph.h"

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
      .n_chain = since->chain->len, .chain_node = since->chain_node
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
  CLEANUP_JSON json_object *graph = NULL;
  struct backup_disk *disk;

  (void) !qmp_graph_load (backup->vm.qmp, &graph, NULL);
  FOR_EACH_DISK (backup, disk) {
    const struct qmp_disk live = { .name = disk->name, .node = disk->node,
                                   .device = (char *) "" };
    struct failure taken = { .error = 0 };

    if (backup_plan_check_jobs (backup, graph, &live, &taken) == -EBUSY)
      return failure_set (why, taken.class, taken.error, "%s", taken.text);
  }
  return failure_set (why, refusal->class, refusal->error, "%s",
                      refusal->text);
}

/* Where the daemon dies and QEMU ends after that, only the journal tells. */
int
backup_freeze_note (struct backup *backup, enum backup_frozen freeze,
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
int
backup_freeze_announce (void *context, struct failure *why)
{
  int r = backup_snapshot_begin (context, why);

  r = r < 0 ? r : backup_write_error_begin (context, why);
  return r < 0 ? r : backup_freeze_note (context, FREEZE_MAYBE, why);
}

int
backup_freeze_done (void *context, struct failure *why)
{
  return backup_freeze_note (context, FREEZE_DONE, why);
}

static void
note_refusal (struct backup *backup)
{
  struct failure why = { .error = 0 };

  if (backup_freeze_note (backup, FREEZE_NOT, &why) < 0)
    log_warning ("%s", why.text);
}

int
backup_freeze (void *context, struct failure *why)
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
int
backup_freeze_stop_previous (void *context, struct failure *why)
{
  return run_plan (context, checkpoint_plan_stop, why);
}
