/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A restore, step by step.  The tables at the end are the order; each undo is
 * idempotent (steps.h), and all of them are what an abort does, and what the next
 * daemon does.  An image that was there before is written to between two points:
 * its mark comes before, and goes only when it is whole (rule R2). */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "json-members.h"
#include "restore-adopt.h"
#include "restore-below.h"
#include "restore-changed.h"
#include "restore-copy.h"
#include "restore-errand.h"
#include "restore-instant-plan.h"
#include "restore-journal.h"
#include "restore-ledger.h"
#include "restore-machine.h"
#include "restore-definition.h"
#include "restore-move.h"
#include "restore-registry.h"
#include "restore-serve.h"
#include "restore-steps.h"
#include "restore-storage.h"
#include "restore-written.h"

/* --- the journal --------------------------------------------------------- */

static int
note_folder (const struct restore *restore, struct restore_image *image,
             struct failure *why)
{
  return image->create ? restore_target_folder (restore->name, image->path,
                                                &image->folder, why) : 0;
}

static int
run_journal (void *context, struct failure *why)
{
  struct restore *restore = context;
  struct restore_image *image;
  int r = restore_written_check_unused (restore, why);

  if (r < 0)
    return r;
  FOR_EACH_RESTORE_IMAGE (restore, image) {
    r = note_folder (restore, image, why);
    if (r < 0)
      return r;
  }
  return restore_journal_write_phase (context, RESTORE_PHASE_BEGIN, why);
}

/* What is left, or half restored, stays known by it. */
static int
undo_journal (void *context, struct failure *why)
{
  struct restore *restore = context;
  const struct restore_image *image;

  FOR_EACH_RESTORE_IMAGE (restore, image)
    if (image->left)
      return restore_journal_write_phase (restore, RESTORE_PHASE_ENDING, why);
  return restore_model_is_half (restore)
         ? restore_journal_write_phase (restore, RESTORE_PHASE_HALF, why)
         : restore_journal_remove (restore, why);
}

/* --- targets --------------------------------------------------------------- */

/* Two disks in one image would overwrite each other. */
static int
check_twice (const struct restore *restore, const struct restore_image *image,
             const struct restore_target *target, struct failure *why)
{
  const struct restore_image *other;

  FOR_EACH_RESTORE_IMAGE (restore, other)
    if (other != image && other->target != NULL &&
        strcmp (restore_target_identity (other->target),
                restore_target_identity (target)) == 0)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the disks %s and "
                          "%s are to be restored into one image, %s",
                          other->disk, image->disk, image->path);
  return 0;
}

static int
open_target (struct restore *restore, struct restore_image *image,
             const char *const *options, struct failure *why)
{
  const struct arguments_restore_begin *given = restore->given;
  struct restore_target_spec spec = {
    .restore = restore->name, .path = image->path,
    .format = image->format != NULL ? image->format
              : image->create ? given->create : given->format,
    .create = image->create, .take_over = true,
    .size = image->size > 0 ? image->size
            : given->size < 0 ? 0 : (uint64_t) given->size,
    .options = options, .folders = restore->settings->folders
  };
  struct restore_target *target = NULL;
  struct failure taken = { .error = 0 };
  int r = restore_instant_plan_target (restore, image, &spec, why);

  if (r == 0)
    r = image->node != NULL
        ? restore_target_held (&spec, image->fd, &target, why)
        : restore_target_open (&spec, &target, why);
  /* That a process of ours has it says little. */
  if (r == -EBUSY && restore_registry_check_path (restore, image, &taken) < 0)
    *why = taken;
  if (restore_errand_is_unknown (r))
    image->left = image->create;
  if (r == 0)
    r = check_twice (restore, image, target, why);
  if (r == 0)
    r = restore_registry_claim (image, restore_target_identity (target),
                                restore_target_is_new (target)
                                ? restore_target_path (target) : NULL, why);
  if (r < 0) {
    if (target != NULL && restore_target_discard (target, why) < 0)
      r = -EIO;
    restore_target_close (target);
    return r;
  }
  /* One that an earlier try has left half restored is so whatever this one does. */
  if (restore_target_marked_by (target) != NULL)
    image->half = true;
  restore_target_close (image->target);
  image->target = target;
  return 0;
}

static int
run_targets (void *context, struct failure *why)
{
  struct restore *restore = context;
  const struct control_list *list = &restore->given->options;
  g_autofree const char **options = g_new0 (const char *, list->n + 1);
  struct restore_image *image;

  for (size_t i = 0; i < list->n; i++)
    options[i] = control_list_at (list, i);
  FOR_EACH_RESTORE_IMAGE (restore, image) {
    int r = open_target (restore, image, options, why);

    if (r < 0)
      return r;
  }
  return restore_journal_write (restore, why);
}

/* Of one that is half restored, or left, no more is kept than the journal does:
 * whoever repairs it by hand is to find it unlocked. */
static int
let_go (struct restore_image *image, const char *restore, struct failure *why)
{
  CLEANUP_JSON json_object *record = NULL;
  struct restore_target *target = TAKE_PTR (image->target);
  int r = 0;

  if (target == NULL) {
    if (image->left && image->folder != 0)
      r = restore_target_remove_unknown (restore, image->path, image->folder,
                                         why);
    image->left = r < 0;
    return r;
  }
  if (restore_target_is_new (target)) {
    r = restore_target_discard (target, why);
    image->left = r < 0;
  }
  if (image->half || image->left) {
    record = restore_target_record (target);
    r = MIN (r, restore_target_from_record (record, &image->target, why));
  }
  restore_target_close (target);
  return r;
}

static int
undo_targets (void *context, struct failure *why)
{
  struct restore *restore = context;
  struct restore_image *image;
  int first = 0;

  FOR_EACH_RESTORE_IMAGE (restore, image) {
    int r = let_go (image, restore->name, why);

    first = first != 0 ? first : r;
  }
  return first;
}

/* --- marks --------------------------------------------------------------- */

static int
run_marks (void *context, struct failure *why)
{
  struct restore *restore = context;
  struct restore_image *image;

  FOR_EACH_RESTORE_IMAGE (restore, image) {
    int r = restore_target_mark (image->target, why);

    if (r < 0)
      return r;
  }
  return 0;
}

static int
unmark (struct restore_image *image, struct failure *why)
{
  int r;

  if (image->target == NULL || image->half)
    return 0;
  r = restore_target_unmark (image->target, why);
  image->left = r < 0;
  return r;
}

static int
undo_marks (void *context, struct failure *why)
{
  struct restore *restore = context;
  struct restore_image *image;
  int first = 0;

  FOR_EACH_RESTORE_IMAGE (restore, image) {
    int r = unmark (image, why);

    first = first != 0 ? first : r;
  }
  return first;
}

/* The last thing before anybody can write. */
static int
run_note_writable (void *context, struct failure *why)
{
  return restore_journal_write_phase (context, RESTORE_PHASE_WRITABLE, why);
}

/* From here on it goes on without us (restore-adopt.c). */
static int
run_note_ready (void *context, struct failure *why)
{
  struct restore *restore = context;
  const struct restore_image *image;
  int r;

  /* Somebody must listen whether its guest is started. */
  if (restore->qemu != NULL)
    return 0;
  /* How a copy ended only the daemon is told that has started it (restore-copy.c). */
  FOR_EACH_RESTORE_IMAGE (restore, image)
    if (image->from != NULL)
      return 0;
  restore->ready = true;
  r = restore_journal_write (restore, why);
  restore->ready = r == 0;
  return r;
}

/* --- commit ------------------------------------------------------------------ */

static int
run_stop_gateway (void *context, struct failure *why)
{
  return restore_serve_stop_gateway (context, why);
}

static int
run_stop_writers (void *context, struct failure *why)
{
  int r = restore_storage_finish (context, why);

  return r < 0 ? r : restore_serve_finish_plugin (context, why);
}

static int
run_sync (void *context, struct failure *why)
{
  struct restore *restore = context;
  struct restore_image *image;

  FOR_EACH_RESTORE_IMAGE (restore, image) {
    int r = restore_target_sync (image->target, why);

    if (r < 0)
      return r;
  }
  return 0;
}

/* Rule R10. */
static int
run_check_alone (void *context, struct failure *why)
{
  struct restore *restore = context;
  struct restore_image *image;

  FOR_EACH_RESTORE_IMAGE (restore, image) {
    int r = restore_target_check_alone (image->target, why);

    if (r < 0)
      return r;
  }
  return 0;
}

/* What is under another name, or none, is not committed. */
static int
run_check_names (void *context, struct failure *why)
{
  struct restore *restore = context;
  struct restore_image *image;

  FOR_EACH_RESTORE_IMAGE (restore, image) {
    int r = restore_target_check_name (image->target, why);

    if (r < 0)
      return r;
  }
  return 0;
}

/* Rule R5: from here on the next daemon goes on with it. */
static int
run_note_commit (void *context, struct failure *why)
{
  return restore_journal_write_phase (context, RESTORE_PHASE_COMMIT, why);
}

static int
run_note_restored (void *context, struct failure *why)
{
  return restore_ledger_add (context, why);
}

static int
run_publish (void *context, struct failure *why)
{
  struct restore *restore = context;
  struct restore_image *image;

  FOR_EACH_RESTORE_IMAGE (restore, image) {
    int r = restore_target_publish (image->target, why);

    if (r < 0)
      return r;
  }
  return 0;
}

static int
run_unmark (void *context, struct failure *why)
{
  struct restore *restore = context;
  struct restore_image *image;

  FOR_EACH_RESTORE_IMAGE (restore, image) {
    int r = restore_target_unmark (image->target, why);

    if (r < 0)
      return r;
    image->half = false;
  }
  return 0;
}

static int
run_forget (void *context, struct failure *why)
{
  int r = restore_written_remove (context, why);

  return r < 0 ? r : restore_journal_remove (context, why);
}

/* --- what has changed ------------------------------------------------------- */

static int
run_range (void *context, struct failure *why)
{
  const struct restore *restore = context;
  int r = restore->since == NULL ? 0 : restore_below_check (restore, why);

  return r < 0 ? r : restore_changed_find (context, why);
}

/* --- the tables ------------------------------------------------------------ */

const struct step restore_begin_steps[] = {
  { "restore-journal", run_journal, undo_journal },
  { "restore-targets", run_targets, undo_targets },
  { "restore-range", run_range, NULL },
  { "restore-marks", run_marks, undo_marks },
  { "restore-written", restore_written_create, restore_written_remove },
};
const size_t n_restore_begin_steps = G_N_ELEMENTS (restore_begin_steps);

const struct step restore_serve_steps[] = {
  { "restore-note-writable", run_note_writable, restore_written_judge },
  { "restore-hold", restore_machine_hold, restore_machine_give_back },
  { "restore-server", restore_machine_start_server,
    restore_machine_stop_server },
  { "restore-export", restore_machine_export, restore_machine_end_exports },
  { "restore-plugin", restore_serve_start_plugin, restore_serve_stop_plugin },
  { "restore-storage", restore_storage_start, restore_storage_stop },
  { "restore-changed", restore_changed_import, NULL },
  { "restore-gateway", restore_serve_start_gateway,
    restore_serve_stop_gateway },
  { "restore-check", restore_serve_check, NULL },
  { "restore-copy", restore_copy_start, restore_copy_stop },
  { "restore-move", restore_move_start, restore_move_stop },
  { "restore-note-ready", run_note_ready, restore_note_ends },
};
const size_t n_restore_serve_steps = G_N_ELEMENTS (restore_serve_steps);

const struct step restore_commit_steps[] = {
  { "restore-end-copy", restore_copy_stop, NULL },
  { "restore-end-move", restore_move_stop, NULL },
  { "restore-stop-gateway", run_stop_gateway, NULL },
  { "restore-stop-writers", run_stop_writers, NULL },
  { "restore-let-go", restore_machine_finish, NULL },
  { "restore-sync", run_sync, NULL },
  { "restore-check-alone", run_check_alone, NULL },
  { "restore-check-names", run_check_names, NULL },
  { "restore-look", restore_machine_look, NULL },
  { "restore-note-commit", run_note_commit, NULL },
};
const size_t n_restore_commit_steps = G_N_ELEMENTS (restore_commit_steps);

const struct step restore_publish_steps[] = {
  { "restore-note-restored", run_note_restored, NULL },
  { "restore-give-back", restore_machine_give_back, NULL },
  { "restore-publish", run_publish, NULL },
  { "restore-unmark", run_unmark, NULL },
  { "restore-definition", restore_definition_make, NULL },
  { "restore-forget", run_forget, NULL },
};
const size_t n_restore_publish_steps = G_N_ELEMENTS (restore_publish_steps);
