/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include "backup-image.h"
#include "backup-model.h"
#include "backup-since.h"
#include "checkpoint.h"
#include "fleece-store.h"

static void
disk_free (gpointer data)
{
  struct backup_disk *disk = data;

  fleece_store_close (disk->store);
  g_ptr_array_unref (disk->since);
  json_object_put (disk->unanswered);
  g_free (disk->name);
  g_free (disk->node);
  g_free (disk->qdev);
  g_free (disk->export_name);
  g_free (disk->export_bitmap);
  g_free (disk->asked_since);
  g_free (disk->source);
  backup_image_close (disk->image);
  g_free (disk->previous);
  g_free (disk);
}

struct backup *
backup_model_create (const struct backup_paths *paths, const char *domain,
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
  backup->disks = g_ptr_array_new_with_free_func (disk_free);
  backup->bases = g_ptr_array_new_with_free_func (g_free);
  backup->skipped = json_object_new_array ();
  backup->domain_uuid = g_strdup ("");
  backup->boot_id = g_strdup ("");
  backup->started = g_get_real_time () / G_USEC_PER_SEC;
  return backup;
}

void
backup_model_destroy (struct backup *backup)
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
backup_model_add_disk (struct backup *backup, const char *name, const char *node)
{
  struct backup_disk *disk = g_new0 (struct backup_disk, 1);
  unsigned i = backup->disks->len;

  disk->name = g_strdup (name);
  disk->node = g_strdup (node);
  disk->qdev = g_strdup ("");
  disk->export_name = g_strdup (name);
  disk->reason = "";
  disk->since = g_ptr_array_new_with_free_func (backup_since_free);
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

int
backup_model_settle (struct backup *backup, const struct backup_disk_choice *named,
               size_t n, struct failure *why)
{
  const struct checkpoint_domain domain = {
    .name = "", .qmp = backup->qmp, .catalog = backup->catalog, .boot_id = "",
    .named = { .choices = named, .n = n }
  };

  return checkpoint_settle (&domain, why);
}
