/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What may go wrong between READY and the end: seen when it is looked for, and
 * by QEMU's events.  A broken backup lets go of QEMU at once, so that the guest
 * does not wait. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "backup-base.h"
#include "backup-expiry.h"
#include "backup-image.h"
#include "backup-journal.h"
#include "backup-migration.h"
#include "backup-pace.h"
#include "backup-process.h"
#include "backup-qemu.h"
#include "backup-room.h"
#include "backup-scratch.h"
#include "backup-snapshot.h"
#include "backup-steps.h"
#include "backup-stores.h"
#include "backup-unplug.h"
#include "backup-watch.h"
#include "backup-write-error.h"
#include "deadline.h"
#include "fleece-store.h"
#include "json-members.h"
#include "log.h"
#include "qmp-job.h"

/* Views answer EIO from here on, whatever they read. */
static void
mark_broken (struct backup *backup, const char *reason)
{
  struct failure why = { 0 }, unwritten = { 0 };

  if (backup->state != BACKUP_READY)
    return;
  backup_stores_break (backup);
  backup->state = BACKUP_BROKEN;
  backup->reason = g_strdup (reason);
  if (backup->yields != NULL)
    log_warning ("the backup of %s ends: %s", backup->options.domain, reason);
  else
    log_error ("the backup of %s is broken: %s", backup->options.domain,
               reason);
  /* QEMU may take its time; a migration must not wait. */
  if (backup->yields == NULL)
    backup_room_give_back (backup);
  if (backup_steps_detach (backup, &why) < 0)
    log_warning ("the broken backup of %s: %s", backup->options.domain,
                 why.text);
  /* Last, as the guest does not wait for the journal. */
  if (backup_journal_write_phase (backup, BACKUP_PHASE_BROKEN,
                                  &unwritten) < 0)
    log_warning ("%s", unwritten.text);
}

/* So often it has died of what it found: storage that hangs it would wait for. */
#define DEATHS_TELL 3
/* One that runs for so long has opened its files. */
#define LIVES_MS 1000

/* While the sink lives it does not need the names of its files. */
static bool
stores_are_lost (struct backup *backup, struct failure *why)
{
  struct process_child_status sink = process_child_status (backup->serving.sink);
  struct backup_serving *serving = &backup->serving;
  int r;

  if (sink.pid != 0 && now_ms () - sink.started_ms > LIVES_MS)
    serving->looked_deaths = sink.restarts;
  if (sink.restarts == serving->looked_deaths)
    return false;
  if (backup_stores_find (backup, why) < 0)
    return true;
  if (sink.pid != 0 || sink.restarts < serving->looked_deaths + DEATHS_TELL)
    return false;
  serving->looked_deaths = sink.restarts;
  r = backup_stores_look (backup);
  if (r < 0)
    failure_set (why, FAILURE_STORAGE, -r, "a fleece store in %s cannot be "
                 "opened: %s", backup->paths.scratch_folder, g_strerror (-r));
  return r < 0;
}

/* Who connects would wait for ever for one that does not come. */
static void
give_up_clients (struct backup *backup)
{
  struct backup_serving *serving = &backup->serving;

  mark_broken (backup, "the view or gateway process cannot be kept running");
  backup_process_stop (&serving->gateway, backup->paths.client_socket);
  backup_process_stop (&serving->view, serving->view_socket);
}

/* Is it still what it promised to be? */
enum backup_state
backup_watch_look (struct backup *backup)
{
  struct failure why = { .error = 0 };
  struct backup_disk *disk;

  if (backup->state != BACKUP_READY)
    return backup->state;
  FOR_EACH_DISK (backup, disk) {
    int error = fleece_store_broken (disk->store);

    if (error != 0) {
      g_autofree char *reason = backup_scratch_reason (backup, disk, error);

      backup->serving.store_hangs = error == ETIMEDOUT;
      mark_broken (backup, reason);
      return backup->state;
    }
  }
  if (stores_are_lost (backup, &why)) {
    g_autofree char *reason = g_strconcat ("scratch-error: ", why.text, NULL);

    mark_broken (backup, reason);
  } else if (process_child_status (backup->serving.sink).failed)
    mark_broken (backup, "the sink process cannot be kept running");
  else if (process_child_status (backup->serving.view).failed ||
           process_child_status (backup->serving.gateway).failed)
    give_up_clients (backup);
  return backup->state;
}

/* The virtual machine's own life comes first. */
static void
look_for_migration (struct backup *backup)
{
  g_autofree char *why = backup_migration_look (backup);

  if (why == NULL)
    return;
  backup->yields = g_strconcat ("migration: ", why, NULL);
  mark_broken (backup, backup->yields);
}

static const char job_gone[] = "QEMU's fleecing job does not run any more";

/* 1; 0: no, and it is broken; -errno: QEMU does not say. */
static int
all_jobs_run (struct backup *backup, struct failure *why)
{
  CLEANUP_JSON json_object *jobs = NULL;
  struct backup_disk *disk;
  int r = qmp_job_list (backup->vm.qmp, &jobs, why);

  if (r < 0)
    return r;
  FOR_EACH_DISK (backup, disk) {
    const char *status = qmp_job_status (jobs, disk->job_id);

    if (g_strcmp0 (status, "running") != 0) {
      mark_broken (backup, job_gone);
      return 0;
    }
  }
  return 1;
}

/* Once after each time that QEMU's events may have been missed. */
static void
look_for_jobs (struct backup *backup)
{
  g_autofree char *reason = NULL;

  if (all_jobs_run (backup, NULL) <= 0)
    return;
  if (backup_snapshot_look (backup, &reason) < 0 ||
      (reason == NULL && backup_write_error_look (backup, &reason) < 0))
    return;
  backup->vm.unheard = false;
  if (reason != NULL)
    mark_broken (backup, reason);
}

enum backup_state
backup_tick (struct backup *backup)
{
  enum backup_state state = backup_watch_look (backup);

  backup_scratch_look (backup);
  if (state == BACKUP_READY && backup->vm.unheard && !backup->vm.ends &&
      backup->vm.qmp != NULL && !qmp_is_lost (backup->vm.qmp)) {
    look_for_jobs (backup);
    state = backup->state;
  }
  if (state == BACKUP_READY)
    look_for_migration (backup);
  if (state != BACKUP_READY)
    backup_room_give_back (backup);
  if (backup->yields != NULL)
    return BACKUP_YIELDS;
  if (backup->failed)
    return BACKUP_FAILED;
  return state != BACKUP_ENDING && backup_expiry_look (backup) ? BACKUP_EXPIRED
                                                               : state;
}

const char *
backup_reason (const struct backup *backup)
{
  if (backup->yields != NULL)
    return backup->yields;
  return backup->expiry.reason != NULL ? backup->expiry.reason
                                        : backup->reason;
}

/* QEMU ends its jobs itself when it ends; the link is lost next.  But with
 * -no-shutdown it only stops, and says that, too. */
static void
note_shutdown (struct backup *backup, const char *event, json_object *data)
{
  struct backup_vm *vm = &backup->vm;

  if (strcmp (event, "SHUTDOWN") == 0) {
    vm->ends = true;
    vm->shut_down = vm->shut_down || json_get_bool (data, "guest");
  } else if (strcmp (event, "STOP") == 0)
    vm->ends = false;
  else if (strcmp (event, "RESET") == 0)
    vm->shut_down = false;
}

const char *
backup_exit_reason (const struct backup *backup)
{
  /* One that was saved, for which the backup yielded, ends next. */
  return backup->yields != NULL ? backup->yields
         : backup->vm.shut_down ? "guest-shutdown: the guest has shut down"
         : "qemu-exited: QEMU has exited";
}

void
backup_event (struct backup *backup, const char *event, json_object *data)
{
  static const char *const ends[] = { "BLOCK_JOB_CANCELLED", "BLOCK_JOB_ERROR",
                                      "BLOCK_JOB_COMPLETED" };
  g_autofree char *reason = backup_snapshot_event (backup, event, data);
  g_autofree char *failed = backup_write_error_event (backup, event, data);
  struct backup_disk *disk;
  json_object *device;

  note_shutdown (backup, event, data);
  if (backup->vm.ends)
    return;
  if (strcmp (event, "MIGRATION") == 0)
    backup_migration_event (backup);
  if (data != NULL && strcmp (event, "DEVICE_DELETED") == 0)
    backup_unplug_event (backup, data);
  if (reason != NULL || failed != NULL)
    mark_broken (backup, reason != NULL ? reason : failed);
  if (data == NULL || !json_object_object_get_ex (data, "device", &device))
    return;
  for (size_t i = 0; i < G_N_ELEMENTS (ends); i++)
    if (strcmp (event, ends[i]) == 0)
      FOR_EACH_DISK (backup, disk)
        if (strcmp (json_object_get_string (device), disk->job_id) == 0)
          mark_broken (backup, "QEMU's fleecing job was ended by "
                              "somebody else, or by QEMU because the disk was "
                              "unplugged");
}

/* What QEMU told before it answered last counts, too. */
static int
check_events (struct backup *backup, struct failure *why)
{
  int r = qmp_dispatch (backup->vm.qmp);

  if (r == 0 && backup->vm.unheard && backup->state == BACKUP_READY)
    look_for_jobs (backup);
  return r == 0 && (!backup->vm.unheard || backup->state != BACKUP_READY) ? 0
         : failure_set (why, FAILURE_QMP, ENOTCONN, "QEMU of domain %s does "
                        "not say which jobs it has: try again",
                        backup->options.domain);
}

/* 1; 0: no, and it is broken; -errno: QEMU does not say. */
static int
images_are_the_same (struct backup *backup, struct failure *why)
{
  g_autofree char *reason = NULL;
  int r = backup_base_look (backup, &reason, why);

  if (reason != NULL)
    mark_broken (backup, reason);
  return r < 0 ? r : reason == NULL;
}

/* The last look before a pull counts as good: were all guest writes held up to
 * now, and are the images the ones that were read?  A job that somebody
 * cancelled lets writes pass; blockdev-reopen changes images. */
int
backup_watch_check (struct backup *backup, struct failure *why)
{
  enum backup_qemu qemu = backup_qemu_ask (backup);
  struct failure unsaid = { .error = 0 };
  int r;

  if (qemu == BACKUP_QEMU_MUTE)
    return backup_qemu_mute_failure (backup, "its backup is kept as it is, "
                                     "try again", why);
  if (qemu == BACKUP_QEMU_GONE)
    return failure_set (why, FAILURE_QMP, ENOTCONN, "QEMU of domain %s has "
                        "exited: its backup cannot be committed",
                        backup->options.domain);
  r = all_jobs_run (backup, &unsaid);
  if (r > 0)
    r = images_are_the_same (backup, &unsaid);
  if (r < 0)
    return failure_set (why, FAILURE_QMP, -r, "QEMU of domain %s does not say "
                        "whether its jobs run, and on what: try again (%s)",
                        backup->options.domain, unsaid.text);
  return r == 0 ? 0 : check_events (backup, why);
}

bool
backup_set_qmp (struct backup *backup, struct qmp *qmp)
{
  if (!backup_qemu_is (backup, qmp))
    return false;
  backup->vm.qmp = qmp;
  backup->vm.unheard = true;
  backup->snapshots.early = 0;
  backup_pace_forget_question (backup);
  return true;
}
