/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Options and paths are borrowed from who made them, so that there is no copy
 * of each; the names on QEMU's side all follow from the tag, so that a journal
 * that has it is enough. */
#include <config.h>

#include "backup-image.h"
#include "backup-model.h"
#include "backup-pace.h"
#include "backup-served.h"
#include "backup-since.h"
#include "checkpoint.h"
#include "fleece-store.h"
#include "log.h"

static void
disk_free (gpointer data)
{
  struct backup_disk *disk = data;

  backup_store_files_leave (&disk->room.emptier);
  fleece_store_close (disk->store);
  backup_served_close (disk->served);
  g_ptr_array_unref (disk->since);
  json_object_put (disk->unanswered);
  g_free (disk->name);
  g_free (disk->node);
  g_free (disk->qdev);
  g_free (disk->export_name);
  g_free (disk->export_bitmap);
  g_free (disk->asked_since);
  g_free (disk->image);
  g_ptr_array_unref (disk->images);
  g_free (disk->previous);
  g_free (disk);
}

static char *
private_path (const struct backup *backup, const char *name)
{
  return g_build_filename (backup->paths.private_folder, name, NULL);
}

struct backup *
backup_model_create (const struct backup_options *options,
                     const struct backup_paths *paths, const char *tag)
{
  struct backup *backup = g_new0 (struct backup, 1);

  backup->options = *options;
  if (options->consumer == NULL)
    backup->options.consumer = "default";
  backup->paths = *paths;
  if (options->client_socket != NULL)
    backup->paths.client_socket = options->client_socket;
  backup->serving.front.socket = backup->paths.client_socket;
  g_strlcpy (backup->tag, tag, sizeof backup->tag);
  log_set_backup (tag);
  backup->started = g_get_real_time () / G_USEC_PER_SEC;
  backup->vm.uuid = g_strdup ("");
  backup->vm.boot_id = g_strdup ("");
  backup->disks = g_ptr_array_new_with_free_func (disk_free);
  backup->snapshots.old = g_ptr_array_new_with_free_func (g_free);
  backup->snapshots.unknown = g_ptr_array_new_with_free_func (g_free);
  backup->skipped = json_object_new_array ();
  backup->notes = options->notes != NULL ? json_object_get (options->notes)
                                         : json_object_new_array ();
  backup->serving.sink_socket = private_path (backup, "sink.sock");
  backup->serving.view_socket = private_path (backup, "view.sock");
  backup->serving.memory_socket = private_path (backup, "view.mem");
  backup->serving.qemu_socket = private_path (backup, "qemu/nbd.sock");
  backup->serving.routes = private_path (backup, "routes.json");
  backup->serving.served = private_path (backup, "served");
  backup->expiry.activity = private_path (backup, "activity");
  return backup;
}

void
backup_model_destroy (struct backup *backup)
{
  if (backup == NULL)
    return;
  g_free (backup->vm.uuid);
  g_free (backup->vm.boot_id);
  g_free (backup->vm.folder);
  g_free (backup->vm.label);
  scratch_figures_close (backup->figures);
  g_ptr_array_unref (backup->disks);
  g_ptr_array_unref (backup->snapshots.old);
  g_ptr_array_unref (backup->snapshots.unknown);
  json_object_put (backup->skipped);
  json_object_put (backup->notes);
  g_free (backup->serving.sink_socket);
  g_free (backup->serving.view_socket);
  g_free (backup->serving.memory_socket);
  g_free (backup->serving.qemu_socket);
  g_free (backup->serving.routes);
  g_free (backup->serving.served);
  g_free (backup->serving.front.host);
  g_free (backup->serving.front.port);
  g_free (backup->expiry.activity);
  g_free (backup->expiry.reason);
  g_free (backup->reason);
  g_free (backup->yields);
  backup_pace_destroy (backup->pace);
  if (backup->options.destroy_owner != NULL)
    backup->options.destroy_owner (backup->options.owner);
  g_free (backup);
}

/* Nobody else has that tag: the kernel tells such a socket from others by the file's name. */
void
backup_model_set_folder (struct backup *backup, const char *folder)
{
  g_free (backup->vm.folder);
  backup->vm.folder = g_strdup (folder);
  g_free (backup->serving.sink_socket);
  backup->serving.sink_socket =
    g_strdup_printf ("%s/pullback-%s.sock", folder, backup->tag);
}

bool
backup_model_consume (const struct backup *backup)
{
  const struct arguments_backup_begin *given = backup->options.given;

  return given != NULL && given->consume;
}

struct backup_disk *
backup_model_add_disk (struct backup *backup, const char *name,
                       const char *node)
{
  struct backup_disk *disk = g_new0 (struct backup_disk, 1);
  unsigned i = backup->disks->len;

  disk->name = g_strdup (name);
  disk->node = g_strdup (node);
  disk->qdev = g_strdup ("");
  disk->export_name = g_strdup (name);
  disk->reason = "";
  disk->cluster = -1;
  disk->images = backup_image_list ();
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
backup_model_settle (struct backup *backup,
                     const struct disk_choice *named, size_t n,
                     struct failure *why)
{
  const struct checkpoint_domain domain = {
    .name = "", .qmp = backup->vm.qmp, .catalog = backup->vm.catalog,
    .boot_id = "", .named = { .choices = named, .n = n }
  };

  return checkpoint_settle (&domain, why);
}

int
backup_model_survey (struct backup_vm *vm, struct failure *why)
{
  int r = qmp_survey_create (vm->qmp, vm->pid, &vm->survey, why);

  return r < 0 ? r : qmp_survey_add_graph (vm->survey, why);
}
