/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be refused is refused before anything is done: the options are looked at twice,
 * as settling may drop a checkpoint that they name. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "backup-ending.h"
#include "backup-expiry.h"
#include "backup-journal.h"
#include "backup-plan.h"
#include "backup-steps.h"
#include "name.h"
#include "qmp-peer.h"

static int
begin_check_base (const struct backup_options *options,
                  const struct catalog *catalog, const char *name,
                  struct failure *why)
{
  if (catalog_find (catalog, name) == NULL)
    return failure_set (why, FAILURE_CHECKPOINT_NOT_FOUND, ENOENT, "the domain "
                        "%s has no checkpoint called '%.200s': "
                        "checkpoint-list shows them", options->domain, name);
  return 0;
}

static int
begin_check_bases (const struct backup_options *options,
                   const struct catalog *catalog, struct failure *why)
{
  int r = 0;

  if (options->incremental != NULL)
    r = begin_check_base (options, catalog, options->incremental, why);
  for (size_t i = 0; r == 0 && i < options->n_bases; i++)
    r = begin_check_base (options, catalog, options->bases[i], why);
  for (size_t i = 0; r == 0 && i < options->n_disks; i++)
    if (options->disks[i].incremental != NULL)
      r = begin_check_base (options, catalog, options->disks[i].incremental,
                            why);
  return r;
}

/* What settling removes is no obstacle. */
static int
begin_check_name (const struct backup_options *options,
                  const struct catalog *catalog, bool settled,
                  struct failure *why)
{
  const struct checkpoint *c = options->checkpoint == NULL ? NULL
    : catalog_find (catalog, options->checkpoint);

  if (c == NULL || (!settled && c->state != CHECKPOINT_COMMITTED))
    return 0;
  return failure_set (why, FAILURE_EXISTS, EEXIST, "the domain %s already "
                      "has a checkpoint called %s: choose another name",
                      options->domain, options->checkpoint);
}

static int
begin_check_options (const struct backup_options *options,
                     const struct catalog *catalog, struct failure *why)
{
  const char *name = options->checkpoint;
  int r;

  if (name != NULL && !name_is_checkpoint (name))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "'%.100s%s' cannot "
                        "be a checkpoint name: use letters, digits, '_', '-' "
                        "and '.', at most 200", name,
                        strlen (name) > 100 ? "..." : "");
  r = begin_check_name (options, catalog, false, why);
  if (r < 0)
    return r;
  if (options->quiesce && options->agent == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the domain %s "
                        "cannot be quiesced: nobody has given --agent, the "
                        "socket of its guest agent", options->domain);
  return begin_check_bases (options, catalog, why);
}

static int
begin_identify_qemu (struct backup *backup, struct failure *why)
{
  char uuid[64];
  int r = qmp_check_needed (backup->qmp, why);

  if (r == 0)
    r = qmp_uuid (backup->qmp, uuid, sizeof uuid, why);
  if (r == 0 &&
      qmp_peer (backup->qmp, &backup->uid, &backup->gid, &backup->pid) < 0)
    r = failure_set (why, FAILURE_QMP, EIO, "the kernel does not tell whose "
                     "QMP socket this is");
  if (r < 0)
    return r;
  g_free (backup->domain_uuid);
  backup->domain_uuid = g_strdup (uuid);
  g_free (backup->boot_id);
  backup->boot_id = qmp_boot_id (backup->qmp);
  return 0;
}

/* A checkpoint whose backup ended together with QEMU. */
static int
begin_settle (struct backup *backup, const struct backup_options *options,
              struct failure *why)
{
  size_t n = options->n_named_nodes + options->n_disks + options->n_targets;
  g_autofree struct backup_disk_choice *named =
    g_new0 (struct backup_disk_choice, n + 1);

  if (options->n_named_nodes > 0)
    memcpy (named, options->named_nodes,
            options->n_named_nodes * sizeof named[0]);
  if (options->n_disks > 0)
    memcpy (named + options->n_named_nodes, options->disks,
            options->n_disks * sizeof named[0]);
  if (options->n_targets > 0)
    memcpy (named + n - options->n_targets, options->targets,
            options->n_targets * sizeof named[0]);
  return backup_model_settle (backup, named, n, why);
}

/* After settling, when only committed checkpoints are left. */
static void
begin_take_all_bases (struct backup *backup)
{
  g_ptr_array_set_size (backup->bases, 0);
  for (size_t i = 0; i < catalog_count (backup->catalog); i++)
    g_ptr_array_add (backup->bases,
                     g_strdup (catalog_at (backup->catalog, i)->name));
}

static struct backup *
backup_from_options (const struct backup_options *options,
                     const struct backup_paths *paths, struct qmp *qmp,
                     struct catalog *catalog)
{
  char tag[QMP_TAG_SIZE];
  struct backup *backup;

  qmp_tag_make (tag);
  backup = backup_model_create (paths, options->domain, tag);
  backup->checkpoint = g_strdup (options->checkpoint);
  backup->description = g_strdup (options->description);
  backup->incremental = g_strdup (options->incremental);
  backup->consumer = g_strdup (options->consumer != NULL ? options->consumer
                                                         : "default");
  backup->notes = json_object_get (options->notes);
  backup->strict = options->strict;
  backup->tcp = g_strdup (options->tcp);
  backup->agent = options->quiesce ? g_strdup (options->agent) : NULL;
  backup->ttl = options->ttl;
  backup->idle_timeout = options->idle_timeout;
  backup->qmp = qmp;
  backup->catalog = catalog;
  if (options->client_socket != NULL) {
    g_free (backup->client_socket);
    backup->client_socket = g_strdup (options->client_socket);
  }
  for (size_t i = 0; i < options->n_bases; i++)
    g_ptr_array_add (backup->bases, g_strdup (options->bases[i]));
  return backup;
}

static int
begin_run (struct backup *backup, const struct backup_options *options,
           struct failure *why)
{
  struct failure undo_why = { 0 };
  size_t started = 0;
  int r = begin_identify_qemu (backup, why);

  if (r == 0)
    r = begin_settle (backup, options, why);
  /* Settling may have dropped a base. */
  if (r == 0)
    r = begin_check_name (options, backup->catalog, true, why);
  if (r == 0)
    r = begin_check_bases (options, backup->catalog, why);
  if (r == 0 && options->all_bases)
    begin_take_all_bases (backup);
  if (r == 0)
    r = backup_plan_disks (backup, options, why);
  if (r == 0)
    r = backup_journal_write (backup, why);
  if (r < 0)
    return r;
  steps_stop_after ("journal");
  r = steps_run (backup_steps, n_backup_steps, backup, &started, why);
  if (r < 0 && backup_undo (backup, started, &undo_why) < 0 &&
      backup->qmp != NULL)
    backup_keep (backup, undo_why.text);
  return r;
}

int
backup_begin (const struct backup_options *options,
              const struct backup_paths *paths, struct qmp *qmp,
              struct catalog *catalog, struct backup **ret,
              struct failure *why)
{
  struct backup *backup;
  int r = begin_check_options (options, catalog, why);

  if (r < 0)
    return r;
  backup = backup_from_options (options, paths, qmp, catalog);
  r = begin_run (backup, options, why);
  backup_expiry_start (backup);
  if (r < 0 && backup->broken_reason == NULL)
    backup_model_destroy (backup);
  else
    *ret = backup;
  return r;
}
