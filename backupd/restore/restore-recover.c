/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The processes of a daemon that died go on, and one that was ready is taken over.  Those of
 * others are ended first, so that nobody
 * writes while it is found out what was written.  Then the undos do what an abort
 * does, or what was committed is brought to its end (rule R5). */
#include <config.h>

#include <string.h>

#include "deadline.h"
#include "log.h"
#include "name.h"
#include "patience.h"
#include "process-leftover.h"
#include "restore-adopt.h"
#include "restore-copy.h"
#include "restore-errand.h"
#include "restore-go-on.h"
#include "restore-info.h"
#include "restore-journal.h"
#include "restore-recover.h"
#include "restore-serve.h"
#include "restore-steps.h"
#include "restore-storage.h"
#include "restore-written.h"

#define SUFFIX ".json"
/* For storage that hangs, of each restore.  Then it is for who asks for it to wait. */
#define STORAGE_MS patience_ms (5000)

static void
end_processes (const struct restore *restore)
{
  g_autofree char *mark = restore_serve_mark (restore);
  g_autofree char *storage = restore_storage_mark (restore);
  const char *const marks[] = { restore->routes, mark, storage, NULL };

  process_leftover_kill_any (marks);
  restore_copy_end_leftovers (restore);
}

/* A file system may be another device since the host was started. */
static void
find_identities (struct restore *restore)
{
  struct restore_image *image;

  FOR_EACH_RESTORE_IMAGE (restore, image) {
    struct failure why = { .error = 0 };
    char now[FILE_IDENTITY_SIZE];

    if (image->target == NULL)
      continue;
    g_strlcpy (now, restore_target_identity (image->target), sizeof now);
    if (restore_target_identify (image->target, now, &why) < 0)
      log_debug ("%s", why.text);
    g_free (image->identity);
    image->identity = g_strdup (now);
  }
}

static void
tell_half (struct restore *restore)
{
  const struct restore_image *image;

  g_free (restore->reason);
  restore->reason = g_strdup ("the daemon ended before it was committed");
  FOR_EACH_RESTORE_IMAGE (restore, image)
    if (image->half)
      log_warning ("%s is half restored by %s: restore it again",
                   image->path, restore->name);
}

/* Those that the daemon had no time to write down. */
static void
note_temporaries (const struct restore *restore)
{
  struct restore_image *image;

  FOR_EACH_RESTORE_IMAGE (restore, image)
    image->left = image->create && image->target == NULL;
}

static int
undo (struct restore *restore, struct failure *why)
{
  int r;

  log_warning ("the restore %s was not at its end when the daemon ended: what is "
               "left of it is undone", restore->name);
  note_temporaries (restore);
  r = restore_undo (restore, why);
  restore->ending = r < 0;
  if (r == 0 && restore_model_is_half (restore)) {
    tell_half (restore);
    r = restore_journal_write (restore, why);
  }
  return r;
}

static int
finish (struct restore *restore, struct failure *why)
{
  size_t started;

  log_info ("the restore %s was being committed when the daemon ended: that is "
            "brought to its end", restore->name);
  return steps_run (restore_publish_steps, n_restore_publish_steps, restore,
                    &started, why);
}

static void
go_on (struct restore *restore)
{
  struct failure why = { .error = 0 };
  bool kept = restore_go_on_gather (restore);

  end_processes (restore);
  g_clear_pointer (&restore->reason, g_free);
  if (restore_go_on_without (restore, kept, &why) < 0) {
    log_error ("the restore %s is interrupted: %s", restore->name, why.text);
    restore->reason = g_strdup (why.text);
  }
}

/* Is something left of it? */
static bool
recover (struct restore *restore)
{
  struct failure why = { .error = 0 };
  int r = 0;

  if (restore->instant != NULL && restore->phase == RESTORE_PHASE_WRITABLE) {
    go_on (restore);
    find_identities (restore);
    return true;
  }
  if (restore_adopt (restore)) {
    find_identities (restore);
    return true;
  }
  end_processes (restore);
  /* What is in QEMU comes first, which cannot be asked yet (restore_open_machines). */
  if (restore->qemu != NULL && restore->phase != RESTORE_PHASE_HALF) {
    find_identities (restore);
    return true;
  }
  if (restore->phase == RESTORE_PHASE_COMMIT)
    r = finish (restore, &why);
  else if (restore->phase != RESTORE_PHASE_HALF)
    r = undo (restore, &why);
  if (r < 0) {
    log_error ("the restore %s: %s", restore->name, why.text);
    g_free (restore->reason);
    restore->reason = g_strdup (why.text);
  }
  find_identities (restore);
  return restore_model_is_half (restore) || r < 0;
}

/* Nothing is done to what another daemon has begun there since, when nobody of this one lived
 * any more. */
static void
leave_folder_of_others (struct restore *restore)
{
  g_autofree char *none = g_strdup_printf ("%s/.restore/.%s",
                                           restore->settings->runtime,
                                           restore->name);

  if (!restore_written_is_others (restore))
    return;
  log_warning ("%s is another daemon's by now: what was written by the restore %s "
               "is not known", restore->folder, restore->name);
  restore_model_set_folder (restore, none);
}

static void
recover_one (const char *name, const struct restore_settings *settings,
             GHashTable *restores)
{
  struct failure why = { .error = 0 };
  struct restore *restore;

  if (restore_journal_read (name, settings, &restore, &why) < 0) {
    log_error ("%s", why.text);
    return;
  }
  leave_folder_of_others (restore);
  restore_errand_limit (now_ms () + STORAGE_MS);
  if (recover (restore)) {
    restore_info_publish (restore);
    g_hash_table_replace (restores, restore->name, restore);
  }
  else
    restore_model_destroy (restore);
  restore_errand_limit (INT64_MAX);
}

void
restore_recover (const char *folder, const struct restore_settings *settings,
                 GHashTable *restores)
{
  GDir *dir = g_dir_open (folder, 0, NULL);
  const char *file;

  while (dir != NULL && (file = g_dir_read_name (dir)) != NULL) {
    g_autofree char *name = g_strdup (file);

    if (!g_str_has_suffix (name, SUFFIX))
      continue;
    name[strlen (name) - strlen (SUFFIX)] = '\0';
    if (name_is_domain (name))
      recover_one (name, settings, restores);
  }
  if (dir != NULL)
    g_dir_close (dir);
}
