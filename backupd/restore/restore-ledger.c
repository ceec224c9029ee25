/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An entry for each image and path:
 * {"image": IDENTITY, "path": PATH, "checkpoints": {"DOMAIN": [NAME, ...]}}.
 * The newer list has all of the older one that are still there.  An image is known by its path,
 * or by the last number of its identity, as that of its device may be another one after the host
 * was started again.  A block device may come back under another name and number, so each is taken
 * for any that was restored.  Who is taken for it in error gets a full backup. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "file.h"
#include "json-members.h"
#include "log.h"
#include "restore-ledger.h"

#define LEDGER_MAX (64 << 20)

static GMutex lock;             /* protects the file */
static char *state, *ledger;    /* constant after open */

void
restore_ledger_open (const char *folder)
{
  state = g_strdup (folder);
  ledger = g_build_filename (folder, ".restore", ".ledger", NULL);
}

/* New; NULL where it cannot be read. */
static json_object *
read_locked (void)
{
  CLEANUP_FREE char *text = NULL;
  json_object *entries;
  int r = file_read (ledger, LEDGER_MAX, &text, NULL);

  if (r == -ENOENT)
    return json_object_new_array ();
  entries = r < 0 ? NULL : json_tokener_parse (text);
  if (json_object_is_type (entries, json_type_array))
    return entries;
  json_object_put (entries);
  return NULL;
}

static bool
is_block (const char *identity, const char *path)
{
  return g_str_has_prefix (identity, "block:") ||
         g_str_has_prefix (path, "/dev/");
}

static bool
is_of (json_object *entry, const char *identity, const char *path)
{
  const char *image = json_get_string (entry, "image");
  const char *end = image == NULL ? NULL : strrchr (image, ':');
  const char *other = strrchr (identity, ':');

  return json_has_string (entry, "path", path) ||
         (image != NULL && g_str_has_prefix (image, "block:") &&
          is_block (identity, path)) ||
         (end != NULL && other != NULL && strcmp (end, other) == 0);
}

/* --- adding ------------------------------------------------------------------- */

static void
list_of_domain (const char *domain, json_object *list)
{
  g_autofree char *folder = g_build_filename (state, domain, "checkpoints",
                                              NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (name, ".xml"))
      json_object_array_add (list, json_object_new_string_len (
        name, (int) strlen (name) - 4));
}

/* {"DOMAIN": ["CHECKPOINT", ...]}; new. */
static json_object *
all_checkpoints (void)
{
  json_object *all = json_object_new_object ();
  g_autoptr (GDir) dir = g_dir_open (state, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
    json_object *list = json_object_new_array ();

    list_of_domain (name, list);
    if (json_length (list) > 0)
      json_object_object_add (all, name, list);
    else
      json_object_put (list);
  }
  return all;
}

static void
add_locked (json_object *entries, const struct restore_target *target)
{
  const char *path = restore_target_path (target);
  const char *identity = restore_target_identity (target);
  json_object *entry = json_with ("image", identity);

  for (size_t i = json_length (entries); i-- > 0;) {
    json_object *older = json_object_array_get_idx (entries, i);

    if (json_has_string (older, "path", path) &&
        json_has_string (older, "image", identity))
      json_object_array_del_idx (entries, i, 1);
  }
  json_add_string (entry, "path", path);
  json_object_object_add (entry, "checkpoints", all_checkpoints ());
  json_object_array_add (entries, entry);
}

/* No more than is needed: with no checkpoint there is nothing to keep. */
static int
write_locked (json_object *entries)
{
  const char *text;

  for (size_t i = json_length (entries); i-- > 0;) {
    json_object *entry = json_object_array_get_idx (entries, i);

    if (json_object_object_length (json_get_object (entry,
                                                    "checkpoints")) == 0)
      json_object_array_del_idx (entries, i, 1);
  }
  if (json_length (entries) == 0)
    return file_remove (ledger);
  text = json_object_to_json_string (entries);
  return file_replace (ledger, text, strlen (text));
}

int
restore_ledger_add (const struct restore *restore, struct failure *why)
{
  CLEANUP_JSON json_object *entries = NULL;
  const struct restore_image *image;
  int r;

  g_mutex_lock (&lock);
  entries = read_locked ();
  FOR_EACH_RESTORE_IMAGE (restore, image)
    if (entries != NULL && image->target != NULL)
      add_locked (entries, image->target);
  r = entries == NULL ? -EBADMSG : write_locked (entries);
  g_mutex_unlock (&lock);
  if (r == -EBADMSG)
    return failure_set (why, FAILURE_STORAGE, -r, "%s cannot be read, which says "
                        "what incremental backups may not rely on: bring it "
                        "back, or delete all checkpoints, and then it", ledger);
  return r == 0 ? 0
         : failure_set (why, FAILURE_STORAGE, -r, "cannot write %s: %s", ledger,
                        g_strerror (-r));
}

/* --- asking ------------------------------------------------------------------- */

static bool
lists (json_object *entry, const char *domain, const char *checkpoint)
{
  json_object *all = json_get_object (entry, "checkpoints");
  json_object *list = json_get_array (all, domain);

  for (size_t i = 0; i < json_length (list); i++)
    if (strcmp (json_object_get_string (json_object_array_get_idx (list, i)),
                checkpoint) == 0)
      return true;
  return false;
}

bool
restore_was_after (const char *identity, const char *path, const char *domain,
                   const char *checkpoint)
{
  CLEANUP_JSON json_object *entries = NULL;
  bool found = false;

  g_mutex_lock (&lock);
  entries = read_locked ();
  g_mutex_unlock (&lock);
  if (entries == NULL)
    log_warning ("%s cannot be read: what has a backing file is backed up in "
                 "full", ledger);
  for (size_t i = 0; !found && i < json_length (entries); i++) {
    json_object *entry = json_object_array_get_idx (entries, i);

    found = is_of (entry, identity, path) && lists (entry, domain, checkpoint);
  }
  return found || entries == NULL;
}
