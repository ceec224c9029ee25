/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Times are of the clock that all processes of one boot share: a backup does not
 * outlive its QEMU.  Whatever is missing or odd makes the whole unknown, as half
 * a backup cannot be served; an undo needs none of it. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "backup-base.h"
#include "backup-image.h"
#include "backup-record.h"
#include "backup-since.h"
#include "json-members.h"

/* --- writing ------------------------------------------------------ */

static json_object *
write_since (const struct backup_since *since)
{
  json_object *o = json_with ("checkpoint", since->checkpoint);

  json_add_string (o, "label", since->label);
  json_add_string (o, "context", since->context);
  json_add_u64 (o, "dirty-bytes", since->dirty_bytes);
  return o;
}

static json_object *
write_images (const struct backup_disk *disk)
{
  json_object *images = json_object_new_array ();
  struct backup_image *image;

  FOR_EACH_IMAGE (disk, image) {
    json_object *o = json_with ("id", image->id);

    json_add_u64 (o, "size", image->size);
    json_add_known (o, "format", image->format);
    json_add_known (o, "node", image->node);
    json_add_known (o, "file", image->file);
    json_object_array_add (images, o);
  }
  return images;
}

void
backup_record_write_disk (const struct backup_disk *disk, json_object *o)
{
  json_object *since = json_object_new_array ();
  struct backup_since *one;

  FOR_EACH_SINCE (disk, one)
    json_object_array_add (since, write_since (one));
  json_add_u64 (o, "size", disk->size);
  json_add_string (o, "export", disk->export_name);
  json_add_known (o, "export-bitmap", disk->export_bitmap);
  json_add_known (o, "asked-since", disk->asked_since);
  json_add_string (o, "mode", disk->incremental ? "incremental" : "full");
  json_add_string (o, "reason", disk->reason);
  json_add_u64 (o, "consecutive-fulls", disk->consecutive_fulls);
  json_add_known (o, "base", disk->base == NULL ? NULL : disk->base->name);
  json_add_u64 (o, "device", disk->device);
  if (disk->cluster >= 0)
    json_add_i64 (o, "cluster", disk->cluster);
  json_add_bool (o, "no-failed-writes", disk->no_failures);
  json_object_object_add (o, "images", write_images (disk));
  json_object_object_add (o, "since", since);
  json_object_object_add (o, "unanswered", json_object_get (disk->unanswered));
}

/* What became of the arguments, by documents, the domain and defaults. */
static json_object *
write_options (const struct backup_options *options)
{
  json_object *o = json_object_new_object ();

  json_add_known (o, "description", options->description);
  json_add_known (o, "incremental", options->incremental);
  json_add_string (o, "consumer", options->consumer);
  json_add_known (o, "tcp", options->tcp);
  json_add_bool (o, "quiesce", options->quiesce);
  json_add_i64 (o, "ttl", options->ttl);
  json_add_i64 (o, "idle-timeout", options->idle_timeout);
  return o;
}

static json_object *
write_quiet (const struct backup_quiet *quiet)
{
  json_object *o = json_object_new_object ();

  json_add_bool (o, "done", quiet->done);
  json_add_known (o, "reason", quiet->reason);
  json_object_object_add (o, "ms", json_object_new_double (quiet->ms));
  return o;
}

static json_object *
write_vm (const struct backup_vm *vm)
{
  json_object *o = json_with ("uuid", vm->uuid);

  json_add_u64 (o, "uid", vm->uid);
  json_add_u64 (o, "gid", vm->gid);
  json_add_i64 (o, "pid", vm->pid);
  json_add_known (o, "folder", vm->folder);
  json_add_known (o, "label", vm->label);
  return o;
}

static json_object *
write_names (const GPtrArray *names)
{
  json_object *array = json_object_new_array ();

  for (guint i = 0; i < names->len; i++)
    json_object_array_add (array,
                           json_object_new_string (names->pdata[i]));
  return array;
}

void
backup_record_write (const struct backup *backup, json_object *o)
{
  const struct arguments_backup_begin *given = backup->options.given;
  json_object *ready = json_object_new_object ();

  json_object_object_add (o, "arguments", given == NULL ? NULL
                          : json_object_get (given->head.json));
  json_object_object_add (o, "options", write_options (&backup->options));
  json_object_object_add (o, "vm", write_vm (&backup->vm));
  json_object_object_add (o, "skipped", json_object_get (backup->skipped));
  json_object_object_add (o, "notes", json_object_get (backup->notes));
  json_object_object_add (o, "snapshot-jobs",
                          write_names (backup->snapshots.old));
  json_add_string (o, "qemu-socket", backup->serving.qemu_socket);
  json_add_known (o, "reason", backup->reason);
  json_add_i64 (o, "started", backup->started);
  json_object_object_add (o, "freeze-ms",
                          json_object_new_double (backup->freeze.ms));
  json_object_object_add (o, "quiet", write_quiet (&backup->quiet));
  json_add_i64 (ready, "at-ms", backup->expiry.ready_ms);
  json_add_u64 (ready, "adopted", backup->adopted);
  json_add_known (ready, "host", backup->serving.front.host);
  json_add_known (ready, "port", backup->serving.front.port);
  json_object_object_add (o, "ready", ready);
}

/* --- reading ------------------------------------------------------ */

static double
get_double (json_object *object, const char *key)
{
  json_object *value = json_get (object, key, json_type_double);

  return value == NULL ? 0 : json_object_get_double (value);
}

static int64_t
get_i64 (json_object *object, const char *key)
{
  json_object *value = json_get (object, key, json_type_int);

  return value == NULL ? 0 : json_object_get_int64 (value);
}

static bool
read_since (struct backup_disk *disk, json_object *o)
{
  struct backup_since *since = g_new0 (struct backup_since, 1);

  since->checkpoint = g_strdup (json_get_string (o, "checkpoint"));
  since->label = g_strdup (json_get_string (o, "label"));
  since->context = g_strdup (json_get_string (o, "context"));
  since->dirty_bytes = json_get_u64 (o, "dirty-bytes");
  since->chain = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (disk->since, since);
  return since->checkpoint != NULL && since->label != NULL &&
         since->context != NULL;
}

static void
replace (char **text, const char *by)
{
  g_free (*text);
  *text = g_strdup (by);
}

static void
read_image (struct backup_disk *disk, const char *id, uint64_t size,
            json_object *o)
{
  struct backup_image *image = backup_image_remembered (id, size);
  const char *format = json_get_string (o, "format");

  image->format = format == NULL ? NULL : g_intern_string (format);
  image->node = g_strdup (json_get_string (o, "node"));
  image->file = g_strdup (json_get_string (o, "file"));
  g_ptr_array_add (disk->images, image);
}

/* Earlier versions had one at most, and other keys for it. */
static bool
read_images (struct backup_disk *disk, json_object *o)
{
  json_object *images = json_get_array (o, "images");
  const char *id = json_get_string (o, "image-id");

  if (images == NULL && id != NULL)
    read_image (disk, id, json_get_u64 (o, "image-size"), NULL);
  for (size_t i = 0; i < json_length (images); i++) {
    json_object *image = json_object_array_get_idx (images, i);

    id = json_get_string (image, "id");
    if (id == NULL)
      return false;
    read_image (disk, id, json_get_u64 (image, "size"), image);
  }
  return true;
}

static bool
read_disk (struct backup_disk *disk, json_object *o)
{
  json_object *since = json_get_array (o, "since");
  json_object *unanswered = json_get_array (o, "unanswered");
  const char *export_name = json_get_string (o, "export");
  const char *reason = json_get_string (o, "reason");
  const char *base = json_get_string (o, "base");
  bool whole = since != NULL;

  if (export_name == NULL || reason == NULL || base == NULL ||
      unanswered == NULL)
    return false;
  disk->size = json_get_u64 (o, "size");
  replace (&disk->export_name, export_name);
  replace (&disk->export_bitmap, json_get_string (o, "export-bitmap"));
  replace (&disk->asked_since, json_get_string (o, "asked-since"));
  disk->incremental = json_has_string (o, "mode", "incremental");
  disk->reason = g_intern_string (reason);
  disk->consecutive_fulls = json_get_u64 (o, "consecutive-fulls");
  disk->device = json_get_u64 (o, "device");
  if (json_get (o, "cluster", json_type_int) != NULL)
    disk->cluster = get_i64 (o, "cluster");
  /* Earlier versions did not ask. */
  disk->no_failures = json_get_bool (o, "no-failed-writes");
  disk->base = backup_base_called (base);
  whole = read_images (disk, o) && whole;
  json_object_put (disk->unanswered);
  disk->unanswered = json_object_get (unanswered);
  for (size_t i = 0; i < json_length (since); i++)
    whole = read_since (disk, json_object_array_get_idx (since, i)) && whole;
  return whole && disk->size > 0 && disk->base != NULL;
}

static void
read_options (struct backup_options *options, json_object *o)
{
  options->description = json_get_string (o, "description");
  options->incremental = json_get_string (o, "incremental");
  options->consumer = json_get_string (o, "consumer");
  options->tcp = json_get_string (o, "tcp");
  options->quiesce = json_get_bool (o, "quiesce");
  options->ttl = get_i64 (o, "ttl");
  options->idle_timeout = get_i64 (o, "idle-timeout");
}

static void
read_user (struct backup_vm *vm, json_object *o)
{
  vm->uid = (uid_t) json_get_u64 (o, "uid");
  vm->gid = (gid_t) json_get_u64 (o, "gid");
  vm->pid = (pid_t) get_i64 (o, "pid");
}

static void
read_vm (struct backup_vm *vm, json_object *o)
{
  replace (&vm->uuid, json_get_string (o, "uuid"));
  read_user (vm, o);
}

/* Where the sink's socket is, and whose rights make and remove it there: an undo needs
 * that, too. */
static void
read_folder (struct backup *backup, json_object *vm)
{
  const char *folder = json_get_string (vm, "folder");

  replace (&backup->vm.label, json_get_string (vm, "label"));
  if (folder == NULL)
    return;
  backup_model_set_folder (backup, folder);
  read_user (&backup->vm, vm);
}

/* Earlier versions had none. */
static void
read_names (GPtrArray *names, json_object *array)
{
  for (size_t i = 0; i < json_length (array); i++) {
    json_object *name = json_object_array_get_idx (array, i);

    if (json_object_is_type (name, json_type_string))
      g_ptr_array_add (names, g_strdup (json_object_get_string (name)));
  }
}

static void
read_rest (struct backup *backup, json_object *o)
{
  json_object *quiet = json_get_object (o, "quiet");
  json_object *ready = json_get_object (o, "ready");
  const char *reason = json_get_string (quiet, "reason");

  json_object_put (backup->skipped);
  backup->skipped = json_object_get (json_get_array (o, "skipped"));
  json_object_put (backup->notes);
  backup->notes = json_object_get (json_get_array (o, "notes"));
  read_names (backup->snapshots.old, json_get_array (o, "snapshot-jobs"));
  /* Earlier versions had but the one that the model begins with. */
  if (json_get_string (o, "qemu-socket") != NULL)
    replace (&backup->serving.qemu_socket, json_get_string (o, "qemu-socket"));
  replace (&backup->reason, json_get_string (o, "reason"));
  backup->started = get_i64 (o, "started");
  backup->freeze.ms = get_double (o, "freeze-ms");
  backup->quiet.done = json_get_bool (quiet, "done");
  backup->quiet.reason = reason == NULL ? NULL : g_intern_string (reason);
  backup->quiet.ms = get_double (quiet, "ms");
  backup->expiry.ready_ms = get_i64 (ready, "at-ms");
  backup->adopted = (unsigned) json_get_u64 (ready, "adopted");
  replace (&backup->serving.front.host, json_get_string (ready, "host"));
  replace (&backup->serving.front.port, json_get_string (ready, "port"));
}

static bool
is_whole (const struct backup *backup, json_object *o)
{
  json_object *options = json_get_object (o, "options");

  return backup->options.given != NULL &&
         json_get_string (options, "consumer") != NULL &&
         json_get_string (json_get_object (o, "vm"), "uuid") != NULL &&
         json_get_array (o, "skipped") != NULL &&
         json_get_array (o, "notes") != NULL &&
         json_get_object (o, "ready") != NULL &&
         (json_get_string (options, "tcp") == NULL ||
          json_get_string (json_get_object (o, "ready"), "port") != NULL);
}

bool
backup_record_read (struct backup *backup, json_object *o)
{
  json_object *disks = json_get_array (o, "disks");
  struct backup_disk *disk;
  bool whole = is_whole (backup, o);

  read_folder (backup, json_get_object (o, "vm"));
  FOR_EACH_DISK (backup, disk)
    whole = whole && read_disk (disk, json_object_array_get_idx (disks, i_));
  if (!whole)
    return false;
  read_options (&backup->options, json_get_object (o, "options"));
  read_vm (&backup->vm, json_get_object (o, "vm"));
  read_rest (backup, o);
  backup->serving.known = true;
  return true;
}
