/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* After a daemon that died.  Guest writes wait for a sink that died with it, or
 * after it. So a new one comes before all that may take long: before QEMU is
 * asked anything, which may itself wait for its disks and not answer. */
#include <config.h>

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup-fulls.h"
#include "backup-journal.h"
#include "backup-process.h"
#include "backup-qemu.h"
#include "backup-sink.h"
#include "backup-steps.h"
#include "backup-stores.h"
#include "json-members.h"
#include "log.h"
#include "process-leftover.h"
#include "process-record.h"
#include "process-sockets.h"
#include "qmp-peer.h"

/* One that has exited is seen to have within this. */
#define EXIT_MS 1000

/* The one of a daemon that died, whom nobody would let go on. */
static void
kill_stopped_sink (const struct backup *backup)
{
  g_autofree char *record = backup_process_record (backup, "sink");
  g_auto (GStrv) marks = backup_process_marks (backup, "sink");
  struct process sink = { .pidfd = -1 };
  unsigned restarts;

  if (process_record_find (record, (const char *const *) marks, &sink,
                           &restarts) < 0)
    return;
  if (process_is_stopped (sink.pid)) {
    log_warning ("the sink of %s (pid %d) was stopped by somebody, and guest "
                 "writes may wait for it: it is killed",
                 backup->options.domain, (int) sink.pid);
    (void) pidfd_send_signal (sink.pidfd, SIGKILL, NULL, 0);
    (void) poll (&(struct pollfd) { .fd = sink.pidfd, .events = POLLIN }, 1,
                 EXIT_MS);
  }
  close (sink.pidfd);
}

static void
revive (struct backup *backup)
{
  struct failure why = { .error = 0 };
  struct stat st;

  /* The old socket tells whose the new one is to be, where nobody can exchange it.  Without
   * one QEMU does not know of a sink yet. */
  if (lstat (backup->serving.sink_socket, &st) < 0)
    return;
  if (backup->vm.folder == NULL) {
    backup->vm.uid = st.st_uid;
    backup->vm.gid = st.st_gid;
  }
  log_warning ("nobody serves the sink of %s any more: starting another one, "
               "because guest writes may wait for it", backup->options.domain);
  if (backup_sink_replace (backup, &why) < 0)
    log_error ("the sink of %s cannot be started, guest writes wait: %s",
               backup->options.domain, why.text);
}

struct process_child *
backup_revive_sink (const struct backup_paths *paths)
{
  struct failure why = { .error = 0 };
  struct backup *backup = NULL;
  struct process_child *sink;

  /* A journal that cannot be read: recovery says so. */
  if (backup_journal_read (paths, &backup, &why) < 0 || backup == NULL)
    return NULL;
  if (qmp_boot_is_alive (backup->vm.boot_id)) {
    const struct process_place place = backup_sink_place (backup);

    kill_stopped_sink (backup);
    if (!process_sockets_we_listen (process_listen_name (&place)))
      revive (backup);
  }
  sink = backup->serving.sink;
  backup_model_destroy (backup);
  return sink;
}

static void
kill_leftovers (const struct backup *backup)
{
  static const char *const roles[] = { "sink", "view", "gateway" };
  const struct process_place place = backup_sink_place (backup);
  g_autofree char *fleece = g_strdup_printf ("fleece=%s",
                                             backup->paths.scratch_folder);

  process_leftover_kill (backup->serving.routes);
  process_leftover_kill (fleece);
  unlink (backup->paths.client_socket);
  process_listen_remove (&place);
  unlink (backup->serving.view_socket);
  unlink (backup->serving.memory_socket);
  for (size_t i = 0; i < G_N_ELEMENTS (roles); i++) {
    g_autofree char *record = backup_process_record (backup, roles[i]);

    unlink (record);
  }
}

/* Those that were another daemon's; those of PATHS stay for the next backup. */
static void
remove_folders (const struct backup *backup, const struct backup_paths *paths)
{
  g_autofree char *qemu = g_strconcat (backup->paths.private_folder, "/qemu",
                                       NULL);

  if (strcmp (backup->paths.private_folder, paths->private_folder) != 0) {
    (void) rmdir (qemu);
    (void) rmdir (backup->paths.private_folder);
  }
  if (strcmp (backup->paths.maps_folder, paths->maps_folder) != 0)
    (void) rmdir (backup->paths.maps_folder);
  if (strcmp (backup->paths.scratch_folder, paths->scratch_folder) != 0)
    (void) rmdir (backup->paths.scratch_folder);
}

/* Whether the journal could be told of that or not. */
static bool
is_committed (const struct backup *backup)
{
  const char *name = backup->options.checkpoint;
  const struct checkpoint *c = backup->vm.catalog == NULL || name == NULL
                               ? NULL : catalog_find (backup->vm.catalog, name);

  return c != NULL && c->state == CHECKPOINT_COMMITTED;
}

/* Undoes what QEMU and the disks still hold of it. */
static int
recover_undo (struct backup *backup, struct failure *why)
{
  enum backup_qemu qemu;

  if (backup->vm.qmp != NULL &&
      qmp_peer (backup->vm.qmp, &backup->vm.uid, &backup->vm.gid,
                &backup->vm.pid) < 0)
    log_warning ("the kernel does not tell whose QMP socket this is");
  qemu = backup->vm.qmp != NULL ? backup_qemu_ask (backup)
                             : backup_qemu_look (backup, EXIT_MS);
  if (qemu == BACKUP_QEMU_MUTE)
    return backup_qemu_mute_failure (backup, "its backup is kept", why);
  log_warning ("a backup of %s was running when the daemon ended: what is left "
               "of it is undone", backup->options.domain);
  if (qemu == BACKUP_QEMU_GONE)
    backup->vm.qmp = NULL;
  backup_steps_prepare_undo (backup);
  return steps_undo (backup_steps, n_backup_steps, backup, why);
}

/* After the undo: it knows of QEMU. */
static char *
outcome_of (const struct backup *backup)
{
  if (backup->phase == BACKUP_PHASE_COMMITTED || is_committed (backup))
    return g_strdup ("committed");
  if (backup->phase == BACKUP_PHASE_BROKEN && backup->reason != NULL)
    return g_strdup_printf ("broken: %s", backup->reason);
  if (backup->vm.qmp == NULL)
    return g_strdup ("qemu-exited: QEMU has exited");
  return g_strdup ("aborted: the daemon ended meanwhile");
}

/* Before the undo, which removes what tells.  It does not look at the stores: storage
 * that hangs must not come before the guest.  NULL: the journal says too little. */
static json_object *
last_seen (struct backup *backup)
{
  bool hangs = backup->serving.store_hangs;
  json_object *info;

  if (!backup->whole)
    return NULL;
  backup->serving.store_hangs = true;
  info = backup_info (backup);
  backup->serving.store_hangs = hangs;
  return info;
}

int
backup_recover (const struct backup_paths *paths, struct qmp *qmp,
                struct catalog *catalog, struct process_child **sink,
                struct backup_end *end, struct failure *why)
{
  struct backup *backup = NULL;
  CLEANUP_JSON json_object *info = NULL;
  int r = backup_journal_read (paths, &backup, why);

  *end = (struct backup_end) { .outcome = NULL };
  if (r < 0 || backup == NULL)
    return r;
  info = last_seen (backup);
  backup->vm.qmp = qmp;
  backup->vm.catalog = catalog;
  backup->serving.sink = *sink;
  r = recover_undo (backup, why);
  *sink = backup->serving.sink;
  /* The sink is in the guest's write path: it goes after QEMU let go of it. */
  if (r == 0) {
    kill_leftovers (backup);
    remove_folders (backup, paths);
    backup_fulls_tidy (backup);
    if (catalog != NULL)
      r = backup_journal_remove (backup, why);
  }
  if (r == 0) {
    end->outcome = outcome_of (backup);
    end->info = g_steal_pointer (&info);
  }
  backup_model_destroy (backup);
  return r;
}
