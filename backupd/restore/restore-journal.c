/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file that cannot be read tells of images that may be half restored: it stays, and a
 * person is asked. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "file.h"
#include "json-members.h"
#include "restore-instant.h"
#include "restore-journal.h"
#include "restore-source.h"

#define JOURNAL_VERSION 1
/* A <domain> may be in it. */
#define JOURNAL_MAX (64 << 20)

/* By enum restore_phase. */
static const char *const phases[] = { "begin", "writable", "commit",
                                     "ending", "half" };

static json_object *
image_record (const struct restore_image *image)
{
  json_object *o = json_with ("disk", image->disk);

  json_add_string (o, "path", image->path);
  json_add_bool (o, "create", image->create);
  json_add_u64 (o, "folder", image->folder);
  json_add_bool (o, "half", image->half);
  json_add_i64 (o, "io", image->io_number);
  json_add_i64 (o, "lock", image->lock_number);
  json_add_known (o, "node", image->node);
  json_add_known (o, "qdev", image->qdev);
  json_add_bool (o, "moved", image->moved);
  json_add_u64 (o, "moved-to", image->moved_to);
  if (image->source != NULL)
    json_object_object_add (o, "source",
                            restore_source_record (image->source));
  if (image->target != NULL)
    json_object_object_add (o, "target",
                            restore_target_record (image->target));
  return o;
}

int
restore_journal_write (const struct restore *restore, struct failure *why)
{
  CLEANUP_JSON json_object *o = json_object_new_object ();
  json_object *images = json_object_new_array ();
  const struct restore_image *image;
  const char *text;
  int r;

  FOR_EACH_RESTORE_IMAGE (restore, image)
    json_object_array_add (images, image_record (image));
  json_add_i64 (o, "version", JOURNAL_VERSION);
  json_add_string (o, "phase", phases[restore->phase]);
  json_add_i64 (o, "started", restore->started);
  json_add_string (o, "folder", restore->folder);
  json_add_known (o, "id", restore->id);
  json_add_known (o, "boot", restore->boot);
  json_add_bool (o, "ready", restore->ready);
  json_add_known (o, "since", restore->since);
  json_add_known (o, "host", restore->front.host);
  json_add_known (o, "port", restore->front.port);
  json_add_known (o, "reason", restore->reason);
  json_add_known (o, "qemu", restore->qemu);
  json_add_string (o, "tag", restore->tag);
  json_add_bool (o, "awaited", restore->awaited);
  if (restore->definition != NULL)
    json_object_object_add (o, "definition", json_object_get (restore->definition));
  json_object_object_add (o, "images", images);
  restore_instant_record (restore, o);
  text = json_object_to_json_string_ext (o, JSON_C_TO_STRING_PRETTY);
  r = file_replace (restore->journal, text, strlen (text));
  return r == 0 ? 0
         : failure_set (why, FAILURE_STORAGE, -r, "cannot write the journal "
                        "%s: %s", restore->journal, g_strerror (-r));
}

int
restore_journal_write_phase (struct restore *restore, enum restore_phase phase,
                             struct failure *why)
{
  enum restore_phase before = restore->phase;
  int r;

  restore->phase = phase;
  r = restore_journal_write (restore, why);
  if (r < 0)
    restore->phase = before;
  return r;
}

int
restore_journal_remove (const struct restore *restore, struct failure *why)
{
  int r = file_remove (restore->journal);

  return r == 0 ? 0
         : failure_set (why, FAILURE_STORAGE, -r, "cannot remove the journal "
                        "%s: %s", restore->journal, g_strerror (-r));
}

static int
parse_image (json_object *o, struct restore *restore)
{
  const char *disk = json_get_string (o, "disk");
  const char *path = json_get_string (o, "path");
  json_object *record = json_get_object (o, "target");
  json_object *source = json_get_object (o, "source");
  struct restore_image *image;

  if (disk == NULL || path == NULL)
    return -EINVAL;
  image = restore_model_add_image (restore, disk, path,
                                   json_get_bool (o, "create"));
  image->folder = json_get_u64 (o, "folder");
  image->half = json_get_bool (o, "half");
  image->io_number = (int) json_get_u64 (o, "io");
  image->lock_number = (int) json_get_u64 (o, "lock");
  image->node = g_strdup (json_get_string (o, "node"));
  image->qdev = g_strdup (json_get_string (o, "qdev"));
  image->moved = json_get_bool (o, "moved");
  image->moved_to = json_get_u64 (o, "moved-to");
  if (source != NULL &&
      restore_source_from_record (source, &image->source) < 0)
    return -EINVAL;
  /* Of others nothing is left, or they had not been opened. */
  if (record == NULL && (image->half ||
                         restore->phase == RESTORE_PHASE_WRITABLE ||
                         restore->phase == RESTORE_PHASE_COMMIT))
    return -EINVAL;
  return record == NULL ? 0
         : restore_target_from_record (record, &image->target, NULL);
}

static int
parse (json_object *o, struct restore *restore)
{
  json_object *images = json_get_array (o, "images");
  const char *folder = json_get_string (o, "folder");
  const char *tag = json_get_string (o, "tag");
  int r = json_length (images) == 0 || folder == NULL ? -EINVAL : 0;
  size_t phase = 0;

  while (phase < G_N_ELEMENTS (phases) &&
         !json_has_string (o, "phase", phases[phase]))
    phase++;
  if (phase == G_N_ELEMENTS (phases))
    return -EINVAL;
  if (json_get_u64 (o, "version") != JOURNAL_VERSION)
    return -EPROTO;
  restore->phase = (enum restore_phase) phase;
  restore->started = (int64_t) json_get_u64 (o, "started");
  restore->reason = g_strdup (json_get_string (o, "reason"));
  g_free (restore->id);
  restore->id = g_strdup (json_get_string (o, "id"));
  restore->boot = g_strdup (json_get_string (o, "boot"));
  restore->ready = json_get_bool (o, "ready");
  restore->since = g_strdup (json_get_string (o, "since"));
  restore->front.host = g_strdup (json_get_string (o, "host"));
  restore->front.port = g_strdup (json_get_string (o, "port"));
  restore->qemu = g_strdup (json_get_string (o, "qemu"));
  restore->awaited = json_get_bool (o, "awaited");
  if (tag != NULL && qmp_tag_is_valid (tag))
    g_strlcpy (restore->tag, tag, sizeof restore->tag);
  restore->definition = json_object_get (json_get_object (o, "definition"));
  for (size_t i = 0; r == 0 && i < json_length (images); i++)
    r = parse_image (json_object_array_get_idx (images, i), restore);
  if (r == 0) {
    restore_model_set_folder (restore, folder);
    restore_instant_from_record (restore, o);
  }
  return r;
}

int
restore_journal_read (const char *name,
                      const struct restore_settings *settings,
                      struct restore **restore, struct failure *why)
{
  struct restore *new = restore_model_create (name, settings);
  CLEANUP_JSON json_object *o = NULL;
  CLEANUP_FREE char *text = NULL;
  int r = file_read (new->journal, JOURNAL_MAX, &text, NULL);

  if (r == 0)
    o = json_tokener_parse (text);
  if (r == 0)
    r = parse (o, new);
  if (r < 0) {
    failure_set (why, FAILURE_STORAGE, -r, "the journal %s cannot be read "
                 "(%s): images of the restore %s may be half restored; see to "
                 "them, then remove the file", new->journal, g_strerror (-r),
                 name);
    restore_model_destroy (new);
    return r;
  }
  *restore = new;
  return 0;
}
