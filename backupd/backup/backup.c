/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "backup-chain.h"
#include "backup-ending.h"
#include "backup-expiry.h"
#include "backup-fulls.h"
#include "backup-journal.h"
#include "backup-processes.h"
#include "backup-qemu.h"
#include "backup-steps.h"
#include "backup-unplug.h"
#include "fleece-store.h"
#include "log.h"
#include "name.h"
#include "qmp-job.h"
#include "qmp-peer.h"

/* --- begin --------------------------------------------------------------------- */

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
  return backup_chain_settle (backup->qmp, backup->catalog, named, n, why);
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
  backup = backup_create (paths, options->domain, tag);
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
    backup_destroy (backup);
  else
    *ret = backup;
  return r;
}

/* --- broken --------------------------------------------------------------------- */

/* Views answer EIO from here on, whatever they read. */
static void
backup_mark_broken (struct backup *backup, const char *reason)
{
  struct failure why = { 0 };
  struct backup_disk *disk;

  if (backup->state != BACKUP_READY)
    return;
  FOR_EACH_DISK (backup, disk)
    if (disk->store != NULL)
      granule_map_set_broken (fleece_store_present (disk->store), EIO);
  backup->state = BACKUP_BROKEN;
  backup->broken_reason = g_strdup (reason);
  log_error ("the backup of %s is broken: %s", backup->domain, reason);
  if (backup_detach_from_qemu (backup, &why) < 0)
    log_warning ("the broken backup of %s: %s", backup->domain, why.text);
}

static char *
store_sentence (const struct backup *backup, const struct backup_disk *disk,
                int error)
{
  int ms = backup->sink_limit_ms;

  if (error != ETIMEDOUT)
    return g_strdup_printf ("the fleece store of disk %s in %s failed: %s",
                            disk->name, backup->scratch_folder,
                            g_strerror (error));
  return g_strdup_printf (ms % 1000 == 0
                          ? "the fleece store of disk %s in %s took longer "
                            "than %d s"
                          : "the fleece store of disk %s in %s took longer "
                            "than %d ms", disk->name, backup->scratch_folder,
                          ms % 1000 == 0 ? ms / 1000 : ms);
}

/* Is it still what it promised to be? */
static enum backup_state
backup_look (struct backup *backup)
{
  struct backup_disk *disk;

  if (backup->state != BACKUP_READY)
    return backup->state;
  FOR_EACH_DISK (backup, disk) {
    int error = fleece_store_broken (disk->store);

    if (error != 0) {
      g_autofree char *reason = store_sentence (backup, disk, error);

      backup->store_hangs = error == ETIMEDOUT;
      backup_mark_broken (backup, reason);
      return backup->state;
    }
  }
  if (process_child_status (backup->sink).failed)
    backup_mark_broken (backup, "the sink process cannot be kept running");
  else if (process_child_status (backup->view).failed ||
           process_child_status (backup->gateway).failed)
    backup_mark_broken (backup,
                        "the view or gateway process cannot be kept running");
  return backup->state;
}

enum backup_state
backup_tick (struct backup *backup)
{
  enum backup_state state = backup_look (backup);

  return state != BACKUP_ENDING && backup_expiry_look (backup) ? BACKUP_EXPIRED
                                                               : state;
}

const char *
backup_reason (const struct backup *backup)
{
  return backup->expired_reason != NULL ? backup->expired_reason
                                        : backup->broken_reason;
}

void
backup_event (struct backup *backup, const char *event, json_object *data)
{
  static const char *const ends[] = { "BLOCK_JOB_CANCELLED", "BLOCK_JOB_ERROR",
                                      "BLOCK_JOB_COMPLETED" };
  struct backup_disk *disk;
  json_object *device;

  /* QEMU ends its jobs itself when it ends; the link is lost next. */
  if (strcmp (event, "SHUTDOWN") == 0)
    backup->qemu_ends = true;
  if (backup->qemu_ends)
    return;
  if (data != NULL && strcmp (event, "DEVICE_DELETED") == 0)
    backup_unplug_event (backup, data);
  if (data == NULL || !json_object_object_get_ex (data, "device", &device))
    return;
  for (size_t i = 0; i < G_N_ELEMENTS (ends); i++)
    if (strcmp (event, ends[i]) == 0)
      FOR_EACH_DISK (backup, disk)
        if (strcmp (json_object_get_string (device), disk->job_id) == 0)
          backup_mark_broken (backup, "QEMU's fleecing job was ended by "
                              "somebody else, or by QEMU because the disk was "
                              "unplugged");
}

/* The last look before a pull counts as good: were all guest writes held up to
 * now, and are the images the ones that were read?  A job that somebody cancelled
 * lets writes pass; blockdev-reopen changes images. */
static int
backup_check_qemu (struct backup *backup, struct failure *why)
{
  enum backup_qemu qemu = backup_qemu_ask (backup);
  struct backup_disk *disk;

  if (qemu == BACKUP_QEMU_MUTE)
    return backup_qemu_mute_failure (backup, "its backup is kept as it is, "
                                     "try again", why);
  if (qemu == BACKUP_QEMU_GONE)
    return failure_set (why, FAILURE_QMP, ENOTCONN, "QEMU of domain %s has "
                        "exited: its backup cannot be committed",
                        backup->domain);
  FOR_EACH_DISK (backup, disk) {
    char status[32] = "";
    int r = qmp_job_status (backup->qmp, disk->job_id, status, sizeof status);

    if (r < 0 && r != -ENOENT)
      return failure_set (why, FAILURE_QMP, -r, "QEMU of domain %s does not "
                          "say whether its job %s runs: try again",
                          backup->domain, disk->job_id);
    if (strcmp (status, "running") != 0) {
      backup_mark_broken (backup, "QEMU's fleecing job does not run any more");
      return 0;
    }
    if (disk->image != NULL) {
      g_autofree char *reason =
        backup_image_problem (disk->image, disk->name, backup->pid);

      if (reason != NULL) {
        backup_mark_broken (backup, reason);
        return 0;
      }
    }
  }
  return 0;
}

bool
backup_set_qmp (struct backup *backup, struct qmp *qmp)
{
  if (!backup_qemu_is (backup, qmp))
    return false;
  backup->qmp = qmp;
  return true;
}

/* --- commit --------------------------------------------------------------------- */

/* Stores that it was a success. */
static int
commit_store (struct backup *backup, struct failure *why)
{
  int r = 0;

  if (backup_look (backup) == BACKUP_READY)
    r = backup_check_qemu (backup, why);
  if (r < 0)
    return r;
  if (backup->state == BACKUP_BROKEN)
    return failure_set (why, FAILURE_BROKEN, EIO, "the backup of %s is broken "
                        "(%s) and cannot be committed: abort it, then begin a "
                        "new one", backup->domain, backup->broken_reason);
  if (backup->checkpoint != NULL)
    r = catalog_set_state (backup->catalog, backup->checkpoint,
                           CHECKPOINT_COMMITTED, why);
  if (r < 0)
    return r;
  backup->committed = true;
  backup_fulls_write (backup);
  steps_stop_after ("commit");
  return 0;
}

int
backup_commit (struct backup **backup, struct failure *why)
{
  struct failure end_why = { 0 };
  int r = (*backup)->committed ? 0 : commit_store (*backup, why);

  if (r == 0 && backup_end (backup, &end_why) < 0)
    log_warning ("%s", end_why.text);
  return r;
}

bool
backup_is_committed (const struct backup *backup)
{
  return backup->committed;
}
