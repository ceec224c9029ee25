/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Begin, commit and abort, and the daemon's own begin and end.  A begin that fails is
 * an abort; a commit that fails before all is synced leaves a restore that is broken,
 * later one that can be committed again.  An abort that fails leaves one that is
 * ending: it can only be aborted again. */
#include <config.h>

#include <errno.h>

#include <glib.h>

#include "file.h"
#include "json-members.h"
#include "log.h"
#include "restore-adopt.h"
#include "restore-again.h"
#include "restore-copy.h"
#include "restore-errand.h"
#include "restore-go-on.h"
#include "restore-journal.h"
#include "restore-ledger.h"
#include "restore-move.h"
#include "restore-plan.h"
#include "restore-registry.h"
#include "restore-steps.h"

static void
emit (const struct restore *restore, const char *event, const char *key,
      const char *text)
{
  json_object *data = json_with ("restore", restore->name);

  if (key != NULL)
    json_add_string (data, key, text);
  restore->settings->event (event, data);
}

static int
undo (struct restore *restore, struct failure *why)
{
  int r = restore_undo (restore, why);

  if (r < 0)
    restore_registry_set_ending (restore, why->text);
  return r;
}

/* --- begin ------------------------------------------------------------------------ */

/* -ENOENT: there is none to go on with. */
static int
again (const struct arguments_restore_begin *given, json_object **info,
       struct failure *why)
{
  struct failure unknown = { .error = 0 };
  g_autofree char *name = NULL;
  int r = given->instant ? restore_plan_name (given, &name, why) : -ENOENT;

  if (r == 0)
    r = restore_again_begin (given, name, info, &unknown);
  if (r < 0 && r != -ENOENT)
    failure_set (why, unknown.class, -r, "%s", unknown.text);
  return r;
}

int
restore_begin (const struct arguments_restore_begin *given,
               const struct restore_disks *disks, json_object **info,
               struct failure *why)
{
  struct failure undo_why = { .error = 0 };
  struct restore *restore;
  size_t started;
  int r = again (given, info, why);

  if (r != -ENOENT)
    return r;
  r = restore_registry_add (given, disks, &restore, why);
  if (r < 0)
    return r;
  r = steps_run (restore_begin_steps, n_restore_begin_steps, restore, &started,
                 why);
  if (r == 0)
    r = steps_run (restore_serve_steps, n_restore_serve_steps, restore,
                   &started, why);
  if (r == 0)
    r = restore_registry_check_unbroken (restore, why);
  if (r < 0) {
    restore_registry_release (restore, undo (restore, &undo_why) == 0, NULL,
                              NULL);
    return r;
  }
  emit (restore, "RESTORE_READY", NULL, NULL);
  restore_registry_release (restore, false, NULL, info);
  return 0;
}

/* --- commit ------------------------------------------------------------------------ */

static int
check_committable (struct restore *restore, struct failure *why)
{
  int r;

  if (restore->phase == RESTORE_PHASE_HALF)
    return failure_set (why, FAILURE_BROKEN, EIO, "the restore %s has ended and "
                        "left an image half restored: begin it again",
                        restore->name);
  if (restore->ending || restore->phase == RESTORE_PHASE_ENDING)
    return failure_set (why, FAILURE_BROKEN, EIO, "the restore %s was aborted, "
                        "but for a last step (%s): mend that and abort it "
                        "again", restore->name, restore->reason);
  if (restore->broken && restore->instant == NULL &&
      restore->phase != RESTORE_PHASE_COMMIT)
    return failure_set (why, FAILURE_BROKEN, EIO, "the restore %s is broken (%s) "
                        "and cannot be committed: abort it, then begin it "
                        "again", restore->name, restore->reason);
  if (restore->phase == RESTORE_PHASE_COMMIT)
    return 0;
  r = restore_copy_check (restore, why);
  return r < 0 ? r : restore_go_on_check (restore, why);
}

/* What was answered may be lost where this fails. */
static int
make_whole (struct restore *restore, struct failure *why)
{
  size_t started;
  int r;

  if (restore->phase == RESTORE_PHASE_COMMIT)
    return 0;
  r = steps_run (restore_commit_steps, n_restore_commit_steps, restore,
                 &started, why);
  if (r < 0)
    restore_registry_set_reason (restore, true, why->text);
  return r;
}

static int
publish (struct restore *restore, struct failure *why)
{
  size_t started;
  int r = steps_run (restore_publish_steps, n_restore_publish_steps, restore,
                     &started, why);

  if (r < 0)
    restore_registry_set_reason (restore, false, why->text);
  return r;
}

int
restore_commit (const char *name, json_object **info, struct failure *why)
{
  struct restore *restore;
  int r = restore_registry_take (name, "committing", &restore, why);

  if (r < 0)
    return r;
  r = check_committable (restore, why);
  if (r == 0)
    r = restore_note_ends (restore, why);
  if (r == 0)
    r = make_whole (restore, why);
  if (r == 0)
    r = publish (restore, why);
  if (r < 0) {
    restore_registry_release (restore, false, NULL, NULL);
    return r;
  }
  emit (restore, "RESTORE_ENDED", "outcome", "committed");
  restore_registry_release (restore, true, "committed", info);
  return 0;
}

/* --- the move of an instant one ------------------------------------------------------- */

int
restore_steer (const char *name, int64_t max_rate, bool pause,
               json_object **info, struct failure *why)
{
  struct restore *restore;
  int r = restore_registry_take (name, "steered", &restore, why);

  if (r < 0)
    return r;
  r = restore_move_steer (restore, max_rate, pause, why);
  restore_registry_release (restore, false, NULL, r == 0 ? info : NULL);
  return r;
}

/* --- abort -------------------------------------------------------------------------- */

static int
refuse_abort (const struct restore *restore, struct failure *why)
{
  if (restore->phase == RESTORE_PHASE_COMMIT)
    return failure_set (why, FAILURE_BUSY, EBUSY, "the restore %s is committed, "
                        "but for a last step (%s): mend that and commit it "
                        "again, or give it up by --forget", restore->name,
                        restore->reason);
  return failure_set (why, FAILURE_BUSY, EBUSY, "the restore %s has ended and "
                      "left an image half restored: begin it again, or "
                      "--forget", restore->name);
}

/* Where the folder is not there what is in it stays, and is nobody's any more. */
static int
forget_image (struct restore_image *image, struct failure *why)
{
  int r = image->target == NULL ? 0
          : restore_target_is_new (image->target)
          ? restore_target_discard (image->target, why)
          : restore_target_unmark (image->target, why);

  if (r == -ENODEV) {
    log_warning ("%s  What is left of the restore in it is not removed",
                 why->text);
    restore_target_close (image->target);
    image->target = NULL;
    image->folder = 0;
    r = 0;
  }
  if (r == 0)
    image->half = false;
  return r;
}

/* By the user's word: what the images are nobody says any more. */
static int
forget (struct restore *restore, struct failure *why)
{
  struct restore_image *image;
  int r = restore_ledger_add (restore, why);

  if (r < 0)
    return r;
  FOR_EACH_RESTORE_IMAGE (restore, image) {
    r = forget_image (image, why);
    if (r < 0)
      return r;
  }
  return undo (restore, why);
}

static int
end (struct restore *restore, bool forgets, struct failure *why)
{
  bool runs = restore->phase != RESTORE_PHASE_HALF &&
              restore->phase != RESTORE_PHASE_COMMIT;
  int r = runs || forgets ? 0 : refuse_abort (restore, why);

  if (r == 0 && runs && !forgets)
    r = restore_go_on_check_alone (restore, why);

  /* From here on no commit goes on with it. */
  if (r == 0 && restore->phase == RESTORE_PHASE_COMMIT) {
    r = restore_ledger_add (restore, why);
    if (r == 0)
      r = restore_journal_write_phase (restore, RESTORE_PHASE_ENDING, why);
  }
  if (r == 0 && runs)
    r = undo (restore, why);
  if (r == 0 && runs && restore_model_is_half (restore)) {
    restore_registry_set_reason (restore, false, "it was aborted after "
                                 "something was written");
    r = restore_journal_write (restore, why);
  }
  return r == 0 && forgets ? forget (restore, why) : r;
}

int
restore_abort (const char *name, bool forgets, json_object **info,
               struct failure *why)
{
  struct restore *restore;
  int r = restore_registry_take (name, "aborting", &restore, why);

  if (r < 0)
    return r;
  r = end (restore, forgets, why);
  if (r < 0) {
    restore_registry_release (restore, false, NULL, NULL);
    return r;
  }
  emit (restore, "RESTORE_ENDED", "outcome",
        restore_model_is_half (restore) ? "half" : "aborted");
  restore_registry_release (restore, true, "aborted", info);
  return 0;
}

/* --- from start to end ------------------------------------------------------------- */

int
restore_open (const struct restore_settings *settings, struct failure *why)
{
  g_autofree char *folder = g_build_filename (settings->state, ".restore",
                                              NULL);
  int r = file_make_folder (folder, 0700);

  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r, "cannot create the folder "
                        "%s: %s", folder, g_strerror (-r));
  restore_errand_use (settings->identity);
  restore_ledger_open (settings->state);
  restore_registry_open (settings, folder);
  return 0;
}

static bool
leave (const char *name)
{
  struct failure why = { .error = 0 };
  struct restore *restore;
  bool goes_on;

  if (restore_registry_take (name, "left", &restore, &why) < 0)
    return false;
  goes_on = restore_adopt_leave (restore);
  restore_registry_release (restore, false, NULL, NULL);
  return goes_on;
}

static void
abort_all (bool in_machines, bool leaves)
{
  CLEANUP_JSON json_object *list = restore_list ();

  for (size_t i = 0; i < json_length (list); i++) {
    json_object *info = json_object_array_get_idx (list, i);
    const char *name = json_get_string (info, "name");
    struct failure why = { .error = 0 };

    if (in_machines && restore_check_machine (name, NULL) == 0)
      continue;
    if (restore_again_close (name) || (leaves && leave (name)))
      continue;
    /* The others have ended but for what is left of them. */
    if (!json_has_string (info, "state", "half") &&
        !json_has_string (info, "state", "committing") &&
        restore_abort (name, false, NULL, &why) < 0)
      log_warning ("the restore %s is left to the next daemon: %s", name,
                   why.text);
  }
}

void
restore_open_machines (void)
{
  CLEANUP_JSON json_object *list = restore_list ();

  for (size_t i = 0; i < json_length (list); i++) {
    json_object *info = json_object_array_get_idx (list, i);
    const char *name = json_get_string (info, "name");
    struct failure why = { .error = 0 };
    int r;

    if (restore_check_machine (name, NULL) == 0)
      continue;
    log_warning ("the restore %s was not at its end when the daemon ended: what "
                 "is left of it is undone, or brought to its end", name);
    r = json_has_string (info, "state", "committing")
        ? restore_commit (name, NULL, &why)
        : restore_abort (name, false, NULL, &why);
    if (r < 0)
      log_error ("the restore %s: %s", name, why.text);
  }
}

void
restore_close_machines (void)
{
  abort_all (true, false);
}

void
restore_close (bool leaves)
{
  abort_all (false, leaves);
  restore_registry_close ();
}
