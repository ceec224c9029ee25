/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What ends first is what QEMU does: the sink is in the way of guest writes
 * until QEMU has said that it lets go, or its process is gone.  So each end
 * begins with the question which QEMU it is, and where that is mute the backup
 * stays as it is.  Between the store of a commit and the end of its undos a
 * crash changes nothing any more: it is committed. */
#include <config.h>

#include <errno.h>

#include "backup-ending.h"
#include "backup-fulls.h"
#include "backup-journal.h"
#include "backup-qemu.h"
#include "backup-steps.h"
#include "backup-watch.h"
#include "log.h"

/* For who asks again and again. */
#define GLANCE_MS 200

/* What needs QEMU is done by its exit; the checkpoint alone can wait for the
 * next. */
static void
go_on_without_qemu (struct backup *backup, const char *reason)
{
  log_warning ("the backup of %s ends: %s", backup->options.domain, reason);
  if (backup->options.checkpoint != NULL &&
      backup->freeze.known != FREEZE_NOT && !backup->committed)
    log_info ("checkpoint %s stays tentative until QEMU is back",
              backup->options.checkpoint);
  backup->vm.qmp = NULL;
}

static int
undo_steps (struct backup *backup, size_t n, struct failure *why)
{
  int r;

  backup_steps_prepare_undo (backup);
  r = steps_undo (backup_steps, n, backup, why);
  return r < 0 ? r : backup_journal_remove (backup, why);
}

/* QEMU is not mute. */
static int
undo (struct backup *backup, size_t n, enum backup_qemu qemu,
      struct failure *why)
{
  struct failure undo_why = { 0 };
  int r;

  if (qemu == BACKUP_QEMU_GONE && backup->vm.qmp != NULL)
    go_on_without_qemu (backup, "QEMU has exited");
  r = undo_steps (backup, n, &undo_why);
  /* It may have exited in the meantime, and then there is no more to undo. */
  if (r < 0 && backup->vm.qmp != NULL && qmp_is_lost (backup->vm.qmp) &&
      backup_qemu_look (backup, BACKUP_QEMU_MUTE_MS) == BACKUP_QEMU_GONE) {
    go_on_without_qemu (backup, "QEMU has exited");
    undo_why.error = 0;
    r = undo_steps (backup, n, &undo_why);
  }
  return r == 0 ? 0 : failure_set (why, undo_why.class, -r, "%s",
                                   undo_why.text);
}

static enum backup_qemu
ask (struct backup *backup)
{
  return backup->vm.qmp == NULL ? BACKUP_QEMU_GONE : backup_qemu_ask (backup);
}

int
backup_undo (struct backup *backup, size_t n, struct failure *why)
{
  enum backup_qemu qemu = ask (backup);

  if (qemu == BACKUP_QEMU_MUTE)
    return backup_qemu_mute_failure (backup, "its backup is kept", why);
  return undo (backup, n, qemu, why);
}

void
backup_keep (struct backup *backup, const char *reason)
{
  char *sentence = g_strdup_printf (
    backup->committed ? "it is committed, but QEMU has not let go of it: %s"
    : backup->failed ? "its begin has failed, and QEMU has not let go of it, "
                       "which is tried again: %s"
                     : "it could not be ended: %s", reason);

  log_error ("the backup of %s is kept: %s", backup->options.domain, sentence);
  backup->state = backup->committed ? BACKUP_ENDING : BACKUP_BROKEN;
  g_free (backup->reason);
  backup->reason = sentence;
}

/* The next daemon is not to go on with half of it. */
static void
note_end (struct backup *backup)
{
  struct failure why = { 0 };

  if (backup_journal_write_phase (backup, backup->committed
                                  ? BACKUP_PHASE_COMMITTED : BACKUP_PHASE_END,
                                  &why) < 0)
    log_warning ("%s", why.text);
}

static int
end_with (struct backup **backup, enum backup_qemu qemu, struct failure *why)
{
  struct failure undo_why = { 0 };
  int r;

  note_end (*backup);
  r = undo (*backup, n_backup_steps, qemu, &undo_why);

  if (r < 0 && (*backup)->vm.qmp != NULL) {
    backup_keep (*backup, undo_why.text);
    if ((*backup)->committed)
      return failure_set (why, undo_why.class, -r, "%s", undo_why.text);
    return failure_set (why, undo_why.class, -r, "the backup of %s could not "
                        "be ended and is kept, abort it again: %s",
                        (*backup)->options.domain, undo_why.text);
  }
  if (r < 0)
    failure_set (why, undo_why.class, -r, "%s", undo_why.text);
  backup_model_destroy (*backup);
  *backup = NULL;
  return r;
}

static int
mute_end (struct backup *backup, struct failure *why)
{
  struct failure mute = { 0 };
  int r = backup_qemu_mute_failure (backup, "its backup is kept as it is, try "
                                    "again", &mute);

  if (backup->committed)
    backup_keep (backup, "it does not answer");
  return failure_set (why, mute.class, -r, "%s", mute.text);
}

/* Undoes all of it, frees *BACKUP and sets it to NULL; where QEMU does not let
 * that happen it is kept. */
static int
end (struct backup **backup, struct failure *why)
{
  enum backup_qemu qemu = ask (*backup);

  return qemu == BACKUP_QEMU_MUTE ? mute_end (*backup, why)
                                  : end_with (backup, qemu, why);
}

int
backup_finish (struct backup **backup, struct failure *why)
{
  enum backup_qemu qemu = backup_qemu_look (*backup, GLANCE_MS);

  return qemu == BACKUP_QEMU_MUTE ? mute_end (*backup, why)
                                  : end_with (backup, qemu, why);
}

int
backup_abort (struct backup **backup, struct failure *why)
{
  return end (backup, why);
}

/* --- commit ------------------------------------------------------- */

/* Stores that it was a success. */
static int
commit_store (struct backup *backup, struct failure *why)
{
  int r = 0;

  if (backup->state == BACKUP_READY)
    r = backup_watch_check (backup, why);
  /* QEMU may have taken its time. */
  if (r == 0)
    backup_watch_look (backup);
  if (r < 0)
    return r;
  if (backup->state == BACKUP_BROKEN)
    return failure_set (why, FAILURE_BROKEN, EIO, "the backup of %s is broken "
                        "(%s) and cannot be committed: abort it, then begin a "
                        "new one", backup->options.domain, backup->reason);
  if (backup->options.checkpoint != NULL)
    r = catalog_set_state (backup->vm.catalog, backup->options.checkpoint,
                           CHECKPOINT_COMMITTED, why);
  if (r < 0)
    return r;
  backup->committed = true;
  note_end (backup);
  backup_fulls_write (backup);
  steps_stop_after ("commit");
  return 0;
}

int
backup_commit (struct backup **backup, struct failure *why)
{
  struct failure end_why = { 0 };
  int r = (*backup)->committed ? 0 : commit_store (*backup, why);

  if (r == 0 && end (backup, &end_why) < 0)
    log_warning ("%s", end_why.text);
  return r;
}

bool
backup_is_committed (const struct backup *backup)
{
  return backup->committed;
}

bool
backup_has_failed (const struct backup *backup)
{
  return backup->failed;
}

bool
backup_has_lost_qemu (const struct backup *backup, int timeout_ms)
{
  return backup_qemu_look (backup, timeout_ms) == BACKUP_QEMU_GONE;
}

void
backup_end_without_qemu (struct backup **backup, const char *reason)
{
  struct failure why = { 0 };

  go_on_without_qemu (*backup, reason);
  if (end (backup, &why) < 0)
    log_warning ("%s", why.text);
}

void
backup_leave (struct backup *backup)
{
  /* The next one is to end it. */
  note_end (backup);
  backup_gateway_stop (backup, NULL);
  backup_view_stop (backup, NULL);
  log_error ("the backup of %s is left to the next daemon: its sink goes on, "
             "because guest writes may wait for it, and its journal stays",
             backup->options.domain);
}

