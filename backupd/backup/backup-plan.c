/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup-chain.h"
#include "backup-fulls.h"
#include "backup-image.h"
#include "backup-plan.h"
#include "name.h"
#include "qmp-job.h"
#include "qmp-peer.h"

static void
backup_base_free (gpointer data)
{
  struct backup_base *base = data;

  g_ptr_array_unref (base->chain);
  g_free (base->checkpoint);
  g_free (base->label);
  g_free (base->context);
  g_free (base);
}

static void
backup_disk_free (gpointer data)
{
  struct backup_disk *disk = data;

  fleece_store_close (disk->store);
  g_ptr_array_unref (disk->bases);
  json_object_put (disk->unanswered);
  g_free (disk->name);
  g_free (disk->node);
  g_free (disk->qdev);
  g_free (disk->export_name);
  g_free (disk->export_bitmap);
  g_free (disk->base);
  g_free (disk->source);
  backup_image_close (disk->image);
  g_free (disk->previous);
  g_free (disk);
}

struct backup *
backup_create (const struct backup_paths *paths, const char *domain,
               const char *tag)
{
  struct backup *backup = g_new0 (struct backup, 1);

  g_strlcpy (backup->tag, tag, sizeof backup->tag);
  backup->domain = g_strdup (domain);
  backup->private_folder = g_strdup (paths->private_folder);
  backup->client_socket = g_strdup (paths->client_socket);
  backup->scratch_folder = g_strdup (paths->scratch_folder);
  backup->maps_folder = g_strdup (paths->maps_folder);
  backup->sink_limit_ms = paths->sink_limit_ms;
  backup->sink_wait = paths->sink_wait;
  backup->journal = g_strdup (paths->journal);
  backup->quiesce_journal = g_strdup (paths->quiesce_journal);
  backup->sink_socket = g_strdup_printf ("%s/sink.sock", paths->private_folder);
  backup->view_socket = g_strdup_printf ("%s/view.sock", paths->private_folder);
  backup->qemu_socket = g_strdup_printf ("%s/qemu/nbd.sock", paths->private_folder);
  backup->routes = g_strdup_printf ("%s/routes.json", paths->private_folder);
  backup->activity = g_strdup_printf ("%s/activity", paths->private_folder);
  backup->disks = g_ptr_array_new_with_free_func (backup_disk_free);
  backup->bases = g_ptr_array_new_with_free_func (g_free);
  backup->skipped = json_object_new_array ();
  backup->domain_uuid = g_strdup ("");
  backup->boot_id = g_strdup ("");
  backup->started = g_get_real_time () / G_USEC_PER_SEC;
  return backup;
}

void
backup_destroy (struct backup *backup)
{
  if (backup == NULL)
    return;
  g_ptr_array_unref (backup->disks);
  g_ptr_array_unref (backup->bases);
  json_object_put (backup->skipped);
  json_object_put (backup->notes);
  g_free (backup->domain);
  g_free (backup->checkpoint);
  g_free (backup->description);
  g_free (backup->incremental);
  g_free (backup->consumer);
  g_free (backup->tcp);
  g_free (backup->private_folder);
  g_free (backup->client_socket);
  g_free (backup->scratch_folder);
  g_free (backup->maps_folder);
  g_free (backup->journal);
  g_free (backup->quiesce_journal);
  g_free (backup->sink_socket);
  g_free (backup->view_socket);
  g_free (backup->qemu_socket);
  g_free (backup->routes);
  g_free (backup->agent);
  g_free (backup->activity);
  g_free (backup->expired_reason);
  g_free (backup->domain_uuid);
  g_free (backup->boot_id);
  g_free (backup->uri_prefix);
  g_free (backup->uri_suffix);
  g_free (backup->broken_reason);
  g_free (backup);
}

struct backup_disk *
backup_add_disk (struct backup *backup, const char *name, const char *node)
{
  struct backup_disk *disk = g_new0 (struct backup_disk, 1);
  unsigned i = backup->disks->len;

  disk->name = g_strdup (name);
  disk->node = g_strdup (node);
  disk->qdev = g_strdup ("");
  disk->export_name = g_strdup (name);
  disk->reason = "";
  disk->bases = g_ptr_array_new_with_free_func (backup_base_free);
  disk->unanswered = json_object_new_array ();
  qmp_name (disk->sink_node, backup->tag, "sink", i);
  qmp_name (disk->filter_node, backup->tag, "cbw", i);
  qmp_name (disk->job_id, backup->tag, "job", i);
  qmp_name (disk->relay_id, backup->tag, "relay", i);
  qmp_name (disk->access_node, backup->tag, "access", i);
  qmp_name (disk->import_id, backup->tag, "import", i);
  qmp_name (disk->null_node, backup->tag, "null", i);
  g_ptr_array_add (backup->disks, disk);
  return disk;
}

struct backup_base *
backup_add_base (struct backup *backup, struct backup_disk *disk,
                 const char *checkpoint, bool incremental)
{
  struct backup_base *base = g_new0 (struct backup_base, 1);

  base->checkpoint = g_strdup (checkpoint);
  base->chain = g_ptr_array_new_with_free_func (g_free);
  if (incremental) {
    base->label = g_strdup (INCREMENTAL_LABEL);
    base->context =
      disk->export_bitmap != NULL
      ? g_strconcat (CONTEXT_DIRTY_PREFIX, disk->export_bitmap, NULL)
      : g_strconcat (CONTEXT_DIRTY_PREFIX "backup-", disk->name, NULL);
  } else {
    base->label = g_strconcat (BASE_LABEL_PREFIX, checkpoint, NULL);
    base->context = g_strconcat (CONTEXT_DIRTY_PREFIX, checkpoint, NULL);
  }
  qmp_name (base->bitmap, backup->tag, BACKUP_EXPORT_BITMAP,
               disk->bases->len);
  g_ptr_array_add (disk->bases, base);
  return base;
}

char *
backup_base_export (const struct backup_disk *disk,
                    const struct backup_base *base)
{
  return g_strconcat (disk->name, "@", base->label, NULL);
}

char *
backup_base_public (const struct backup_disk *disk,
                    const struct backup_base *base)
{
  return g_strconcat (disk->export_name, "@", base->label, NULL);
}

/* What CHOICE says of PLANNED.  No two disks may look the same to clients. */
static int
plan_apply (const struct backup *backup,
            const struct backup_disk_choice *choice,
            struct backup_disk *planned, struct failure *why)
{
  static const struct backup_disk_choice nothing = { .name = NULL };
  struct backup_disk *other;

  planned->base = g_strdup (backup->incremental);
  if (choice == NULL)
    choice = &nothing;
  if (choice->full || choice->incremental != NULL) {
    g_free (planned->base);
    planned->base = choice->full ? NULL : g_strdup (choice->incremental);
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
backup_plan_check_jobs (const struct backup *backup,
                        const struct qmp_disk *disk, struct failure *why)
{
  char job[128];
  int r = qmp_job_of_device (backup->qmp, disk, job, sizeof job, why);

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
  int r = backup_plan_check_jobs (backup, disk, why);

  if (r < 0)
    return r;
  return !checkpoint || backup->checkpoint == NULL ? 0
         : checkpoint_disks_check_free (disk, backup->checkpoint, why);
}

static int
plan_add (struct backup *backup, const struct qmp_disk *disk,
          const struct backup_disk_choice *choice, struct failure *why)
{
  struct backup_disk *planned;
  int r = plan_check_free (backup, disk,
                           choice == NULL || !choice->no_checkpoint, why);

  if (r < 0)
    return r;
  planned = backup_add_disk (backup, disk->name, disk->node);
  planned->size = disk->size;
  g_free (planned->qdev);
  planned->qdev = g_strdup (disk->qdev);
  planned->can_persist = disk->can_persist_bitmaps;
  planned->source = g_strdup (disk->image);
  planned->image = backup_image_open (backup->qmp, disk, backup->pid);
  r = plan_apply (backup, choice, planned, why);
  return r < 0 ? r : backup_chain_plan (backup, planned, disk, why);
}

/* What was asked for of disk NAME; NULL: nothing. */
static const struct backup_disk_choice *
find_choice (const struct backup_options *options, const char *name)
{
  for (size_t i = 0; i < options->n_disks; i++)
    if (strcmp (options->disks[i].name, name) == 0)
      return &options->disks[i];
  return NULL;
}

int
backup_plan_disks (struct backup *backup, const struct backup_options *options,
                   struct failure *why)
{
  const struct disk_names named = { .choices = options->named_nodes,
                                    .n = options->n_named_nodes,
                                    .targets = options->targets,
                                    .n_targets = options->n_targets };
  struct qmp_disks disks = { 0 };
  int r = checkpoint_disks_choose (backup->qmp, backup->domain, options->disks,
                                   options->n_disks, &named, &disks,
                                   backup->skipped, why);

  for (size_t i = 0; r == 0 && i < disks.n; i++)
    r = plan_add (backup, &disks.disks[i],
                  find_choice (options, disks.disks[i].name), why);
  qmp_disks_clear (&disks);
  if (r == 0)
    backup_fulls_read (backup);
  return r;
}
