/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a restore is made of changes while something is done with it: so all but
 * states and maps is shown as it was before. */
#include <config.h>

#include "json-members.h"
#include "restore-changed.h"
#include "restore-copy.h"
#include "restore-info.h"
#include "restore-definition.h"
#include "restore-instant.h"
#include "restore-source.h"
#include "restore-storage.h"
#include "restore-wait.h"
#include "restore-written.h"

static void
add_changed (const struct restore *restore, const struct restore_image *image,
             json_object *o)
{
  g_autofree char *context = restore_changed_context (restore);
  g_autofree char *export = restore_changed_export (restore, image);
  g_autofree char *uri = process_nbd_uri (&restore->front, export);

  json_add_string (o, "context", context);
  json_add_string (o, "changed-export", export);
  json_add_string (o, "uri-changed", uri);
}

static json_object *
image_info (const struct restore *restore, const struct restore_image *image)
{
  const struct restore_target *target = image->target;
  json_object *o = json_with ("name", image->disk);
  g_autofree char *name = restore_instant_export (restore, image);
  g_autofree char *uri =
    restore->gateway == NULL ? NULL
    : process_nbd_uri (&restore->front, name);

  json_add_string (o, "image",
                   target == NULL ? image->path : restore_target_path (target));
  if (target != NULL) {
    json_add_string (o, "format", restore_target_format (target));
    json_add_u64 (o, "size", restore_target_size (target));
    json_add_bool (o, "new", restore_target_is_new (target));
  }
  json_add_bool (o, "half", image->half);
  json_add_known (o, "from", image->from);
  json_add_known (o, "source", image->source == NULL ? NULL
                  : restore_source_text (image->source));
  json_add_string (o, "export", name);
  json_add_known (o, "uri", uri);
  if (restore->since != NULL && uri != NULL)
    add_changed (restore, image, o);
  return o;
}

void
restore_info_publish (struct restore *restore)
{
  json_object *o = json_with ("name", restore->name);
  json_object *disks = json_object_new_array ();
  const struct restore_image *image;

  json_add_i64 (o, "started", restore->started);
  json_add_known (o, "since", restore->since);
  FOR_EACH_RESTORE_IMAGE (restore, image)
    json_object_array_add (disks, image_info (restore, image));
  json_object_object_add (o, "disks", disks);
  restore_definition_show (restore, o);
  json_object_put (restore->published);
  restore->published = o;
}

/* Nobody has been told yet, as it is found out by its end. */
static bool
is_lost (const struct restore *restore)
{
  return restore->doing == NULL && restore_storage_is_lost (restore);
}

/* What it is read from has changed. */
static bool
is_broken (const struct restore *restore)
{
  g_autofree char *why = restore->instant == NULL ? NULL
                         : restore_instant_broken (restore->instant);

  return why != NULL;
}

/* Of one that waits for clients, or for its own. */
static const char *const copies[] = {
  [RESTORE_COPY_NONE] = "ready", [RESTORE_COPY_COPYING] = "copying",
  [RESTORE_COPY_COPIED] = "copied", [RESTORE_COPY_FAILED] = "failed"
};

const char *
restore_info_state (const struct restore *restore)
{
  return restore->doing != NULL ? restore->doing
         : restore->phase == RESTORE_PHASE_HALF ? "half"
         : restore->ending || restore->phase == RESTORE_PHASE_ENDING ? "ending"
         : restore->broken || is_lost (restore) || is_broken (restore)
         ? "broken"
         : restore->phase == RESTORE_PHASE_COMMIT ? "committing"
         : restore_instant_is_interrupted (restore) ? "interrupted"
         : copies[restore_copy_look (restore, NULL)];
}

static void
add_figures (const struct restore *restore, json_object *disk)
{
  const char *name = json_get_string (disk, "name");
  const char *export = json_get_string (disk, "changed-export");
  json_object *counts = json_get_string (disk, "from") == NULL ? NULL
                        : restore_copy_counts (restore->folder, name);
  uint64_t bytes;

  if (restore->instant != NULL)
    restore_instant_tell (restore->instant, name, disk);
  if (restore_written_bytes (restore->folder, name, &bytes) == 0)
    json_add_u64 (disk, "written", bytes);
  if (export != NULL &&
      restore_changed_bytes (restore->folder, export, &bytes) == 0)
    json_add_u64 (disk, "changed", bytes);
  if (counts != NULL)
    json_object_object_add (disk, "copy", counts);
}

json_object *
restore_info_make (const struct restore *restore)
{
  g_autofree char *waits = restore_wait_text (restore->name);
  struct failure why = { .error = 0 };
  json_object *o = NULL, *disks;

  if (json_object_deep_copy (restore->published, &o, NULL) < 0)
    o = json_with ("name", restore->name);
  json_add_string (o, "state", restore_info_state (restore));
  json_add_known (o, "reason", waits != NULL ? waits
                  : restore->reason == NULL && is_lost (restore)
                  ? "qemu-storage-daemon has ended, and what it held back of "
                    "the images is lost" : restore->reason);
  if (json_has_string (o, "state", copies[RESTORE_COPY_FAILED]) &&
      restore_copy_look (restore, &why) == RESTORE_COPY_FAILED)
    json_add_string (o, "reason", why.text);
  disks = json_get_array (o, "disks");
  for (size_t i = 0; i < json_length (disks); i++)
    add_figures (restore, json_object_array_get_idx (disks, i));
  return o;
}
