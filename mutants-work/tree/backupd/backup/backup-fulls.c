/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An incremental backup that is a full one each night costs money and nobody
 * notices.  So that is counted where it outlives checkpoints, and it is no
 * reason to fail. */
#include <config.h>

#include <string.h>
#include <unistd.h>

#include "backup-fulls.h"
#include "file.h"
#include "log.h"
#include "json-members.h"

#define FULLS_FILE "fulls.json"

static char *
path_beside (const char *journal)
{
  g_autofree char *folder = g_path_get_dirname (journal);

  return g_build_filename (folder, FULLS_FILE, NULL);
}

static char *
fulls_path (const struct backup *backup)
{
  return path_beside (backup->paths.journal);
}

/* An object in any case. */
static json_object *
fulls_load (const char *path)
{
  json_object *o = g_file_test (path, G_FILE_TEST_EXISTS)
                   ? json_object_from_file (path) : NULL;

  if (o != NULL && json_object_is_type (o, json_type_object))
    return o;
  json_object_put (o);
  return json_object_new_object ();
}

void
backup_fulls_read (struct backup *backup)
{
  g_autofree char *path = fulls_path (backup);
  CLEANUP_JSON json_object *o = fulls_load (path);
  struct backup_disk *disk;

  FOR_EACH_DISK (backup, disk) {
    disk->consecutive_fulls = json_get_u64 (o, disk->name);
    if (disk->incremental)
      disk->consecutive_fulls = 0;
    else if (disk->asked_since != NULL)
      disk->consecutive_fulls++;
  }
}

void
backup_fulls_tidy (const struct backup *backup)
{
  g_autofree char *path = fulls_path (backup);

  file_replace_tidy (path);
}

void
backup_fulls_write (const struct backup *backup)
{
  g_autofree char *path = fulls_path (backup);
  CLEANUP_JSON json_object *o = NULL;
  struct backup_disk *disk;
  const char *text;
  bool any = false;
  int r;

  FOR_EACH_DISK (backup, disk)
    any = any || disk->asked_since != NULL;
  if (!any)
    return;
  o = fulls_load (path);
  FOR_EACH_DISK (backup, disk)
    if (disk->asked_since != NULL)
      json_add_i64 (o, disk->name, (int64_t) disk->consecutive_fulls);
  text = json_object_to_json_string_ext (o, JSON_C_TO_STRING_PRETTY);
  r = file_replace (path, text, strlen (text));
  if (r < 0)
    log_warning ("cannot write %s: %s", path, g_strerror (-r));
}

void
backup_forget (const struct backup_paths *paths)
{
  g_autofree char *path = path_beside (paths->journal);

  (void) unlink (path);
}
