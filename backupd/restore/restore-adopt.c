/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Only one that was ready goes on: of one in the midst of its begin, commit or abort nobody
 * waits for the rest.  A commit may have been told of a lost write, too, which the kernel
 * tells a description once.
 *
 * Who writes an image has its locked description besides its own (restore-target.h).  Where
 * that has died as well as the daemon the lock is gone, and somebody else may have written
 * to the image since: that restore is ended. */
#include <config.h>

#include <errno.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "log.h"
#include "process-record.h"
#include "restore-adopt.h"
#include "restore-journal.h"
#include "restore-serve.h"
#include "restore-steps.h"
#include "restore-storage.h"
#include "restore-written.h"

/* --- descriptors ----------------------------------------------------------- */

static int
take_target (const struct restore_image *image, int pidfd,
             struct failure *why)
{
  CLEANUP_FD int io = pidfd_getfd (pidfd, image->io_number, 0);
  CLEANUP_FD int lock = io < 0 ? -1
                        : pidfd_getfd (pidfd, image->lock_number, 0);

  if (lock < 0)
    return failure_set (why, FAILURE_GENERIC, errno, "%s: its descriptors "
                        "cannot be had of the process that writes it: %s",
                        restore_target_path (image->target),
                        g_strerror (errno));
  return restore_target_adopt (image->target, TAKE_FD (io), TAKE_FD (lock),
                               why);
}

/* Those that the process ROLE writes. */
static int
take_targets (struct restore *restore, bool storage, struct failure *why)
{
  const char *role = storage ? "storage" : "plugin";
  g_autofree char *record = restore_model_file (restore, role, "process");
  g_autofree char *mark = storage ? restore_storage_mark (restore)
                          : restore_serve_mark (restore);
  const char *const marks[] = { mark, NULL };
  struct process process = { .pidfd = -1 };
  struct restore_image *image;
  unsigned restarts;
  int r = 0;

  FOR_EACH_RESTORE_IMAGE (restore, image) {
    if (r < 0 || restore_storage_has (image) != storage)
      continue;
    if (process.pidfd < 0)
      r = process_record_find (record, marks, &process, &restarts);
    r = r < 0 ? failure_set (why, FAILURE_BROKEN, -r, "%s has died as well as "
                             "the daemon, and nobody has locked %s since",
                             role, restore_target_path (image->target))
        : take_target (image, process.pidfd, why);
  }
  if (process.pidfd >= 0)
    close (process.pidfd);
  return r;
}

static int
run_adopt_targets (void *context, struct failure *why)
{
  int r = take_targets (context, true, why);

  return r < 0 ? r : take_targets (context, false, why);
}

/* --- taking over ----------------------------------------------------------- */

const struct step restore_adopt_steps[] = {
  { "restore-adopt-targets", run_adopt_targets, NULL },
  { "restore-adopt-storage", restore_storage_start, NULL },
  { "restore-adopt-plugin", restore_serve_start_plugin, NULL },
  { "restore-adopt-gateway", restore_serve_start_gateway, NULL },
};
const size_t n_restore_adopt_steps = G_N_ELEMENTS (restore_adopt_steps);

/* The runtime folder of this daemon is locked; of another nobody knows whose it is. */
static bool
goes_on (const struct restore *restore)
{
  g_autofree char *folder = restore_model_folder (restore->name,
                                                  restore->settings);

  return restore->phase == RESTORE_PHASE_WRITABLE && restore->ready &&
         g_str_equal (folder, restore->folder) &&
         restore_written_in_this_boot (restore);
}

static void
leave_processes (struct restore *restore)
{
  process_child_leave (TAKE_PTR (restore->gateway));
  process_child_leave (TAKE_PTR (restore->plugin));
  process_child_leave (TAKE_PTR (restore->storage));
}

bool
restore_adopt (struct restore *restore)
{
  struct failure why = { .error = 0 };
  size_t started;
  int r;

  if (!goes_on (restore))
    return false;
  restore->adopting = true;
  r = steps_run (restore_adopt_steps, n_restore_adopt_steps, restore, &started,
                 &why);
  restore->adopting = false;
  if (r < 0) {
    leave_processes (restore);
    log_warning ("the restore %s cannot be taken over: %s", restore->name,
                 why.text);
    return false;
  }
  log_info ("the restore %s, begun by another daemon, is taken over",
            restore->name);
  return true;
}

/* --- leaving ---------------------------------------------------------------- */

static bool
runs (struct process_child *child)
{
  return child == NULL || process_child_status (child).pid != 0;
}

bool
restore_adopt_leave (struct restore *restore)
{
  if (restore->phase != RESTORE_PHASE_WRITABLE || !restore->ready ||
      restore->broken || restore->ending || !runs (restore->plugin) ||
      !runs (restore->storage))
    return false;
  leave_processes (restore);
  log_info ("the restore %s goes on: the next daemon takes it over",
            restore->name);
  return true;
}

int
restore_note_ends (void *context, struct failure *why)
{
  struct restore *restore = context;
  int r;

  if (!restore->ready)
    return 0;
  restore->ready = false;
  r = restore_journal_write (restore, why);
  restore->ready = r < 0;
  return r;
}
