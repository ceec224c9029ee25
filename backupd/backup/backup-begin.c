/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be refused is refused before anything is done: the options are
 * looked at twice, as settling may drop a checkpoint that they name. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "backup-ending.h"
#include "backup-expiry.h"
#include "backup-journal.h"
#include "backup-migration.h"
#include "backup-pace.h"
#include "backup-plan.h"
#include "backup-scratch.h"
#include "backup-steps.h"
#include "name.h"
#include "process-label.h"
#include "qmp-peer.h"

static int
begin_check_base (const struct backup *backup, const char *name,
                  struct failure *why)
{
  if (name != NULL && catalog_find (backup->vm.catalog, name) == NULL)
    return failure_set (why, FAILURE_CHECKPOINT_NOT_FOUND, ENOENT, "the domain "
                        "%s has no checkpoint called '%.200s': "
                        "checkpoint-list shows them", backup->options.domain,
                        name);
  return 0;
}

static int
begin_check_bases (const struct backup *backup, struct failure *why)
{
  const struct backup_options *options = &backup->options;
  int r = begin_check_base (backup, options->incremental, why);

  for (size_t i = 0; r == 0 && i < options->given->bases.n; i++)
    r = begin_check_base (backup, control_list_at (&options->given->bases, i),
                          why);
  for (size_t i = 0; r == 0 && i < options->n_disks; i++)
    r = begin_check_base (backup, options->disks[i].incremental, why);
  return r;
}

/* What settling removes is no obstacle. */
static int
begin_check_name (const struct backup *backup, bool settled,
                  struct failure *why)
{
  const char *name = backup->options.checkpoint;
  const struct checkpoint *c =
    name == NULL ? NULL : catalog_find (backup->vm.catalog, name);

  if (c == NULL || (!settled && c->state != CHECKPOINT_COMMITTED))
    return 0;
  return failure_set (why, FAILURE_EXISTS, EEXIST, "the domain %s already "
                      "has a checkpoint called %s: choose another name",
                      backup->options.domain, name);
}

static int
begin_check_options (const struct backup *backup, struct failure *why)
{
  const char *name = backup->options.checkpoint;
  int r;

  if (name != NULL && !name_is_checkpoint (name))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "'%.100s%s' cannot "
                        "be a checkpoint name: use letters, digits, '_', '-' "
                        "and '.', at most 200", name,
                        strlen (name) > 100 ? "..." : "");
  r = begin_check_name (backup, false, why);
  if (r == 0)
    r = backup_pace_check (backup, why);
  if (r < 0)
    return r;
  if (backup->options.quiesce && backup->options.agent == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the domain %s "
                        "cannot be quiesced: nobody has given --agent, the "
                        "socket of its guest agent", backup->options.domain);
  r = backup_scratch_check (backup, why);
  return r < 0 ? r : begin_check_bases (backup, why);
}

static int
begin_identify_qemu (struct backup *backup, struct failure *why)
{
  char uuid[64];
  int r = qmp_check_needed (backup->vm.qmp, why);

  if (r == 0)
    r = qmp_uuid (backup->vm.qmp, uuid, sizeof uuid, why);
  if (r == 0 &&
      qmp_peer (backup->vm.qmp, &backup->vm.uid, &backup->vm.gid,
                &backup->vm.pid) < 0)
    r = failure_set (why, FAILURE_QMP, EIO, "the kernel does not tell whose "
                     "QMP socket this is");
  if (r < 0)
    return r;
  if (qmp_folder (backup->vm.qmp) != NULL)
    backup_model_set_folder (backup, qmp_folder (backup->vm.qmp));
  g_free (backup->vm.uuid);
  backup->vm.uuid = g_strdup (uuid);
  g_free (backup->vm.boot_id);
  backup->vm.boot_id = qmp_boot_id (backup->vm.qmp);
  g_free (backup->vm.label);
  backup->vm.label = process_label_of (backup->vm.pid);
  return 0;
}

/* A checkpoint whose backup ended together with QEMU. */
static int
begin_settle (struct backup *backup, struct failure *why)
{
  const struct backup_options *options = &backup->options;
  g_autoptr (GArray) named =
    g_array_new (FALSE, FALSE, sizeof (struct disk_choice));

  g_array_append_vals (named, options->names.choices,
                       (guint) options->names.n);
  g_array_append_vals (named, options->disks, (guint) options->n_disks);
  g_array_append_vals (named, options->names.targets,
                       (guint) options->names.n_targets);
  return backup_model_settle (backup, (const void *) named->data, named->len,
                              why);
}

/* Up to the first step. */
static int
begin_prepare (struct backup *backup, struct failure *why)
{
  int r = begin_check_options (backup, why);

  if (r == 0)
    r = begin_identify_qemu (backup, why);
  if (r == 0)
    r = backup_migration_check (backup, why);
  if (r == 0)
    r = begin_settle (backup, why);
  /* Settling may have dropped a base. */
  if (r == 0)
    r = begin_check_name (backup, true, why);
  if (r == 0)
    r = begin_check_bases (backup, why);
  if (r == 0)
    r = backup_plan_disks (backup, why);
  return r < 0 ? r : backup_journal_write (backup, why);
}

static int
begin_run (struct backup *backup, struct failure *why)
{
  struct failure undo_why = { 0 };
  size_t started = 0;
  int r = begin_prepare (backup, why);

  if (r < 0)
    return r;
  steps_stop_after ("journal");
  r = steps_run (backup_steps, n_backup_steps, backup, &started, why);
  if (r < 0 && backup_undo (backup, started, &undo_why) < 0 &&
      backup->vm.qmp != NULL) {
    backup->failed = true;
    backup_keep (backup, undo_why.text);
  }
  return r;
}

int
backup_begin (const struct backup_options *options,
              const struct backup_paths *paths, struct qmp *qmp,
              struct catalog *catalog, struct backup **ret,
              struct failure *why)
{
  struct backup *backup = backup_model_create (options, paths, options->tag);
  int r;

  backup->vm.qmp = qmp;
  backup->vm.catalog = catalog;
  r = begin_run (backup, why);
  if (r < 0)
    backup_expiry_start (backup);
  if (r < 0 && backup->reason == NULL)
    backup_model_destroy (backup);
  else
    *ret = backup;
  return r;
}
