/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Taking over a backup that another daemon began.  All that QEMU and clients
 * use goes on by itself meanwhile, so there is nothing to undo: where a step
 * fails the backup ends as any that was interrupted, by its journal.  QEMU is
 * not asked, since it may itself wait for the sink: what became of its jobs is
 * looked at as after each time that its monitor was lost.
 *
 * Only a backup that was READY goes on.  One in the midst of its begin, commit
 * or abort has nobody who waits for the rest of that. */
#include <config.h>

#include <errno.h>
#include <unistd.h>

#include "backup-base.h"
#include "backup-expiry.h"
#include "backup-journal.h"
#include "backup-process.h"
#include "backup-scratch.h"
#include "backup-sink.h"
#include "backup-steps.h"
#include "backup-stores.h"
#include "log.h"
#include "process-record.h"
#include "qmp-peer.h"

/* Guest writes may wait for it. */
static int
run_adopt_sink (void *context, struct failure *why)
{
  struct backup *backup = context;
  int r = backup_stores_find (backup, why);

  /* Sink and view are told of it when they are started again. */
  if (r == 0) {
    backup_scratch_mend (backup);
    r = backup_pace_open (backup, why);
  }
  return r < 0 ? r : backup_sink_start (backup, why);
}

static int
run_adopt_stores (void *context, struct failure *why)
{
  /* Before it is asked why a store is full. */
  backup_scratch_look (context);
  return backup_stores_watch (context, why);
}

/* The first image in the view: see backup-view.c. */
static int
reopen_images (struct backup *backup, int view, struct failure *why)
{
  unsigned number = BACKUP_VIEW_FIRST_IMAGE;
  struct backup_disk *disk;
  int r = 0;

  FOR_EACH_DISK (backup, disk)
    if (r == 0)
      r = backup_base_reopen (backup, disk, view, &number, why);
  return r;
}

static int
run_adopt_images (void *context, struct failure *why)
{
  struct backup *backup = context;
  g_autofree char *record = backup_process_record (backup, "view");
  g_auto (GStrv) marks = backup_process_marks (backup, "view");
  struct process view = { .pidfd = -1 };
  unsigned restarts;
  int r;

  if (process_record_find (record, (const char *const *) marks, &view,
                           &restarts) < 0)
    log_debug ("the view of %s does not run", backup->options.domain);
  r = reopen_images (backup, view.pidfd, why);
  if (view.pidfd >= 0)
    close (view.pidfd);
  return r;
}

static int
run_note_adopted (void *context, struct failure *why)
{
  struct backup *backup = context;
  struct failure unwritten = { .error = 0 };

  backup_expiry_resume (backup);
  backup->adopted++;
  if (backup_journal_write (backup, &unwritten) < 0)
    log_warning ("%s", unwritten.text);
  return 0;
}

const struct step backup_adopt_steps[] = {
  { "adopt-sink", run_adopt_sink, NULL },
  { "adopt-stores", run_adopt_stores, NULL },
  { "adopt-images", run_adopt_images, NULL },
  { "adopt-view", backup_view_start, NULL },
  { "adopt-gateway", backup_gateway_start, NULL },
  { "note-adopted", run_note_adopted, NULL },
};
const size_t n_backup_adopt_steps =
  sizeof backup_adopt_steps / sizeof backup_adopt_steps[0];

/* Its journal may be older than the commit. */
static bool
is_open (const struct backup *backup)
{
  const char *name = backup->options.checkpoint;
  const struct checkpoint *c = name == NULL ? NULL
                               : catalog_find (backup->vm.catalog, name);

  return name == NULL || (c != NULL && c->state == CHECKPOINT_TENTATIVE);
}

/* The folders of this daemon are locked; of others nobody knows whose they are. */
static bool
is_here (const struct backup *backup, const struct backup_paths *paths)
{
  return g_str_equal (backup->paths.private_folder, paths->private_folder) &&
         g_str_equal (backup->paths.maps_folder, paths->maps_folder) &&
         g_str_equal (backup->paths.scratch_folder, paths->scratch_folder);
}

static bool
goes_on (const struct backup *backup, const struct backup_paths *paths)
{
  return backup->phase == BACKUP_PHASE_READY && backup->whole &&
         is_here (backup, paths) && is_open (backup) &&
         (qmp_boot_is_alive (backup->vm.boot_id) ||
          backup_sink_is_used (backup));
}

/* To the recovery, which ends what is left when QEMU has let go. */
static void
leave_processes (struct backup *backup)
{
  process_child_leave (backup->serving.sink);
  process_child_leave (backup->serving.view);
  process_child_leave (backup->serving.gateway);
}

static int
take_over (struct backup *backup, struct failure *why)
{
  size_t started;
  int r;

  backup->adopting = true;
  r = steps_run (backup_adopt_steps, n_backup_adopt_steps, backup, &started,
                 why);
  backup->adopting = false;
  if (r < 0) {
    leave_processes (backup);
    return r;
  }
  backup->vm.unheard = true;
  /* One that failed may have been before the begin. */
  backup->migration.before = QMP_MIGRATION_FAILED;
  log_info ("the backup of %s, begun by another daemon, is taken over",
            backup->options.domain);
  return 0;
}

int
backup_adopt (const struct backup_paths *paths, struct qmp *qmp,
              struct catalog *catalog, struct backup **ret,
              struct failure *why)
{
  struct failure unread = { .error = 0 };
  struct backup *backup = NULL;
  int r = 0;

  *ret = NULL;
  /* A journal that cannot be read: recovery says so. */
  if (backup_journal_read (paths, &backup, &unread) < 0 || backup == NULL)
    return 0;
  backup->vm.qmp = qmp;
  backup->vm.catalog = catalog;
  if (goes_on (backup, paths)) {
    r = take_over (backup, why);
    if (r == 0)
      *ret = backup;
  }
  if (*ret == NULL)
    backup_model_destroy (backup);
  return r;
}

unsigned
backup_times_adopted (const struct backup *backup)
{
  return backup->adopted;
}

bool
backup_hand_over (struct backup *backup)
{
  if (backup->state != BACKUP_READY || backup->phase != BACKUP_PHASE_READY ||
      backup->expiry.reason != NULL || backup->vm.ends)
    return false;
  leave_processes (backup);
  log_info ("the backup of %s goes on: the next daemon takes it over",
            backup->options.domain);
  return true;
}
