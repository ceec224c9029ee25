/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All that can be known of the disks before anything is done: what is planned
 * here is what the steps do, without looking again.  QEMU refuses what has
 * changed since. */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup-since.h"
#include "backup-base.h"
#include "backup-fulls.h"
#include "backup-pace.h"
#include "backup-plan.h"
#include "backup-whole.h"
#include "qmp-blockstats.h"
#include "qmp-export.h"
#include "qmp-iothread.h"
#include "qmp-job.h"
#include "qmp-lower.h"

/* What CHOICE says of PLANNED.  No two disks may look the same to clients. */
static int
plan_apply (const struct backup *backup,
            const struct disk_choice *choice,
            struct backup_disk *planned, struct failure *why)
{
  static const struct disk_choice nothing = { .name = NULL };
  struct backup_disk *other;

  planned->asked_since = g_strdup (backup->options.incremental);
  if (choice == NULL)
    choice = &nothing;
  if (choice->full || choice->incremental != NULL) {
    g_free (planned->asked_since);
    planned->asked_since = choice->full ? NULL : g_strdup (choice->incremental);
  }
  planned->no_checkpoint = choice->no_checkpoint;
  planned->export_bitmap = g_strdup (choice->export_bitmap);
  if (choice->export_name != NULL) {
    g_free (planned->export_name);
    planned->export_name = g_strdup (choice->export_name);
  }
  FOR_EACH_DISK (backup, other)
    if (other != planned &&
        strcmp (other->export_name, planned->export_name) == 0)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the disks %s and "
                          "%s have the same export name %s", other->name,
                          planned->name, planned->export_name);
  return 0;
}

int
backup_plan_check_jobs (const struct backup *backup, json_object *graph,
                        const struct qmp_disk *disk, struct failure *why)
{
  char job[128];
  int r = qmp_job_of_device (backup->vm.qmp, graph, disk, job, sizeof job,
                             why);

  if (r < 0)
    return r;
  if (qmp_name_is_ours (job))
    return failure_set (why, FAILURE_BUSY, EBUSY, "the disk %s is in another "
                        "backup (QEMU's job %s), begun under another name or "
                        "by another daemon: commit or abort that one first",
                        disk->name, job);
  if (job[0] != '\0')
    return failure_set (why, FAILURE_BUSY, EBUSY, "the disk %s has a block "
                        "job (%s) on it: wait until it has ended, or cancel "
                        "it", disk->name, job);
  return 0;
}

static int
plan_check_free (struct backup *backup, const struct qmp_disk *disk,
                 bool checkpoint, struct failure *why)
{
  int r = backup_plan_check_jobs (backup,
                                  qmp_survey_graph (backup->vm.survey), disk,
                                  why);

  if (r < 0)
    return r;
  return !checkpoint || backup->options.checkpoint == NULL ? 0
         : checkpoint_disks_check_free (disk, backup->options.checkpoint, why);
}

static int
plan_add (struct backup *backup, const struct qmp_disk *disk,
          const struct disk_choice *choice, struct failure *why)
{
  struct qmp_clusters clusters;
  struct backup_disk *planned;
  int r = plan_check_free (backup, disk,
                           choice == NULL || !choice->no_checkpoint, why);

  if (r == 0)
    r = backup_whole_check (backup->vm.survey, disk, why);
  if (r < 0)
    return r;
  planned = backup_model_add_disk (backup, disk->name, disk->node);
  planned->size = disk->size;
  g_free (planned->qdev);
  planned->qdev = g_strdup (disk->qdev);
  planned->in_use = disk->in_use;
  planned->can_persist = disk->can_persist_bitmaps;
  planned->image = g_strdup (disk->image);
  if (qmp_lower_clusters (backup->vm.survey, disk->node, &clusters)) {
    planned->allocated_least = clusters.least;
    planned->cluster = (int64_t) clusters.largest;
  }
  r = backup_base_choose (backup, planned, disk, why);
  if (r < 0)
    return r;
  backup_pace_plan (backup, planned, disk);
  r = plan_apply (backup, choice, planned, why);
  return r < 0 ? r : backup_since_plan (backup, planned, disk, why);
}

/* What was asked for of disk NAME; NULL: nothing. */
static const struct disk_choice *
find_choice (const struct backup_options *options, const char *name)
{
  for (size_t i = 0; i < options->n_disks; i++)
    if (strcmp (options->disks[i].name, name) == 0)
      return &options->disks[i];
  return NULL;
}

/* What is asked once for all disks. */
static int
plan_ask (struct backup_vm *vm, struct failure *why)
{
  int r = qmp_blockstats_list (vm->qmp, &vm->blockstats, why);

  vm->iothreads = qmp_export_bears_iothreads (vm->qmp) ? 0
                  : qmp_iothread_any (vm->qmp, NULL);
  return r;
}

int
backup_plan_disks (struct backup *backup, struct failure *why)
{
  const struct backup_options *options = &backup->options;
  struct qmp_disks disks = { 0 };
  int r = checkpoint_disks_choose (backup->vm.qmp, options->domain,
                                   options->disks, options->n_disks,
                                   &options->names, &disks, backup->skipped,
                                   why);

  backup->vm.survey = TAKE_PTR (disks.survey);
  if (r == 0)
    r = plan_ask (&backup->vm, why);
  for (size_t i = 0; r == 0 && i < disks.n; i++)
    r = plan_add (backup, &disks.disks[i],
                  find_choice (options, disks.disks[i].name), why);
  g_clear_pointer (&backup->vm.survey, qmp_survey_destroy);
  json_object_put (backup->vm.blockstats);
  backup->vm.blockstats = NULL;
  qmp_disks_clear (&disks);
  if (r == 0)
    backup_fulls_read (backup);
  return r;
}
