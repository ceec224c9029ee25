/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guest writes wait for the sink, so that the order is everything here: a sink
 * is seen to answer before QEMU is told of it, a new one before the old one's
 * QEMU is asked for anything, and the last one ends when QEMU has let go. */
#include <config.h>

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "client.h"
#include "backup-pace.h"
#include "backup-process.h"
#include "backup-sink.h"
#include "backup-steps.h"
#include "backup-stores.h"
#include "deadline.h"
#include "log.h"
#include "process-leftover.h"
#include "process-listen.h"
#include "process-self.h"
#include "process-sockets.h"
#include "qmp-peer.h"
#include "stop-clock.h"

/* QEMU has found a restarted sink within this, if it wants to. */
#define RECONNECT_MAX_MS 20000
#define RECONNECT_POLL_MS 20
#define CUT_MAX_MS 300
#define SINK_LOOK_MS 2000
#define CUT_RECONNECT_MS 3000
/* While QEMU is told to use it, or to let go of it, all of QEMU may wait for it,
 * and nobody has a reason to stop it.  It is not killed then: QEMU may not have
 * taken yet what it was told, and fails the writes that wait if it cancels a job
 * whose connection is cut (rule Q2). */
#define GO_ON_MS 300

static unsigned
sink_deaths (const struct backup *backup)
{
  return process_child_status (backup->serving.sink).restarts;
}

/* Our listening socket takes connections whether there is a sink or not: to one
 * that dies again and again the question is soon given up. */
static int
sink_answers (const struct backup *backup, struct failure *why)
{
  const struct client_address address = {
    .socket = backup->serving.sink_socket
  };
  g_autofree struct client_export *exports =
    g_new0 (struct client_export, backup->disks->len);
  int64_t deadline = now_ms () + CLIENT_PATIENCE_MS;
  unsigned deaths = sink_deaths (backup);
  struct backup_disk *disk;
  int r;

  if (process_child_status (backup->serving.sink).failed)
    return failure_set (why, FAILURE_GENERIC, ESRCH, "it cannot be kept "
                        "running");
  FOR_EACH_DISK (backup, disk)
    exports[i_] = (struct client_export) { .name = disk->name,
                                                  .size = disk->size };
  do {
    why->error = 0;
    r = client_check (&address, exports, backup->disks->len,
                             SINK_LOOK_MS, why);
  } while (r == -ETIMEDOUT && sink_deaths (backup) == deaths &&
           ms_left (deadline) > 0);
  return r;
}

/* Anybody may stop it, and it be continued at any time, but guest writes wait
 * meanwhile, and its own limit stands still, too.  Another one goes on where it
 * was. */
static struct process_child_patience
patience (const struct backup *backup)
{
  bool serves = backup->phase == BACKUP_PHASE_READY &&
                !backup->serving.sink_leaves;
  int limit = backup->paths.sink_limit_ms;

  return (struct process_child_patience) {
    .go_on_ms = serves ? 0 : GO_ON_MS,
    .kill_ms = serves || limit != 0 ? limit : BACKUP_SINK_LIMIT_MS,
  };
}

void
backup_sink_limit (struct backup *backup)
{
  process_child_limit_stop (backup->serving.sink, patience (backup));
  /* As the plugin takes it: a write may take no longer than by default from now on. */
  if (backup->serving.sink_leaves && backup->paths.sink_limit_ms == 0)
    process_child_signal (backup->serving.sink, SIGUSR1);
}

struct process_place
backup_sink_place (const struct backup *backup)
{
  return (struct process_place) { .socket = backup->serving.sink_socket,
                                  .uid = backup->vm.uid,
                                  .gid = backup->vm.gid,
                                  .theirs = backup->vm.folder != NULL,
                                  .label = backup->vm.label };
}

static int
sink_listen (const struct backup *backup, int *fd, struct failure *why)
{
  const struct process_place place = backup_sink_place (backup);

  return process_listen (&place, fd, why);
}

/* On the listening socket FD, which becomes the sink's; -1: the one that it has, as QEMU
 * knows it. */
static int
sink_run (struct backup *backup, int fd, struct failure *why)
{
  g_autoptr (GPtrArray) a = backup_process_nbdkit (backup, "sink");
  struct backup_disk *disk;
  int r;

  g_ptr_array_add (a, g_strdup_printf ("write-limit=%d",
                                       backup->paths.sink_limit_ms));
  if (backup->vm.folder != NULL)
    g_ptr_array_add (a, g_strdup_printf ("client-pid=%d",
                                         (int) backup->vm.pid));
  FOR_EACH_DISK (backup, disk) {
    g_ptr_array_add (a, g_strdup_printf ("disk=%s", disk->name));
    backup_pace_tell_device (backup, disk, a);
  }
  r = backup_process_start (backup, (struct process_child_spec) {
                              .role = "sink", .listen_fd = fd,
                              .place = backup_sink_place (backup),
                              .oom_score_adj = PROCESS_OOM_SINK,
                              .patience = patience (backup) }, a,
                            &backup->serving.sink, why);
  /* Looked at before QEMU is told of it: QEMU would wait for it without end. */
  return r < 0 || backup->adopting ? r : sink_answers (backup, why);
}

int
backup_sink_start (void *context, struct failure *why)
{
  struct backup *backup = context;
  int fd = -1, r = backup->adopting ? 0 : sink_listen (backup, &fd, why);

  backup->serving.sink_begun = true;
  return r < 0 ? r : sink_run (backup, fd, why);
}

static unsigned
count_connected (const struct backup *backup)
{
  const struct process_place place = backup_sink_place (backup);

  return process_sockets_connected (backup->vm.pid,
                                    process_listen_name (&place));
}

bool
backup_sink_is_used (const struct backup *backup)
{
  return count_connected (backup) > 0;
}

int
backup_sink_is_reached (const struct backup *backup, struct failure *why)
{
  if (backup->vm.folder == NULL ||
      count_connected (backup) >= backup->disks->len)
    return 0;
  return failure_set (why, FAILURE_GENERIC, EIO, "QEMU is not connected to our "
                      "socket %s: somebody who may write to its folder, which "
                      "is QEMU's, has put another in its place",
                      backup->serving.sink_socket);
}

/* The process that we talk to has exited. */
static bool
qemu_exits (const struct backup *backup)
{
  return *backup->vm.boot_id != '\0' &&
         !qmp_boot_is_alive (backup->vm.boot_id);
}

/* QEMU tries again after 1, 2, 4 ... 16 s, and only where a guest write waits:
 * fewer connections than disks do not mean that more will come. */
static void
wait_for_qemu (struct backup *backup)
{
  int64_t started = backup->serving.sink != NULL
                    ? process_child_status (backup->serving.sink).started_ms
                    : now_ms ();
  int64_t deadline = started + RECONNECT_MAX_MS;
  guint seen = 0;

  /* A sink whose store hangs says so in the map, and then cuts QEMU's
   * connections; QEMU has a new one at once for what waits. */
  if (backup->serving.store_hangs) {
    g_usleep (CUT_MAX_MS * 1000);
    if (deadline < now_ms () + CUT_RECONNECT_MS)
      deadline = now_ms () + CUT_RECONNECT_MS;
  }

  /* Twice in a row: QEMU may be losing the one that it has. */
  while (ms_left (stop_clock_cap (deadline)) > 0 && !qemu_exits (backup)) {
    int connected = (int) count_connected (backup);

    seen = connected >= (int) backup->disks->len ? seen + 1 : 0;
    if (seen == 2)
      return;
    g_usleep (RECONNECT_POLL_MS * 1000);
  }
}

/* Clients of a backup that is broken get nothing, but the guest goes on. */
static int
renew_stores (struct backup *backup, struct failure *why)
{
  log_error ("a fleece store of %s is lost: the backup is broken, the guest "
             "goes on", backup->options.domain);
  why->error = 0;
  return backup_stores_renew (backup, why);
}

/* No view may read what a sink on stores that were made anew does not see to. */
static int
start_another (struct backup *backup, struct failure *why)
{
  g_autofree char *leftover = backup_process_fleece (backup);
  int fd, r = sink_listen (backup, &fd, why);

  if (r < 0)
    return r;
  process_child_stop (backup->serving.sink);
  backup->serving.sink = NULL;
  process_leftover_kill (leftover);
  return sink_run (backup, fd, why);
}

/* The old one goes only when there is what a new one needs: one that nobody can
 * connect to any more may serve QEMU all the same. */
int
backup_sink_replace (struct backup *backup, struct failure *why)
{
  bool found = backup_stores_find (backup, why) == 0;
  int r = found ? 0 : renew_stores (backup, why);

  if (r == 0)
    r = start_another (backup, why);
  /* One that dies has seen its files; one that hangs has not. */
  if (r == 0 || !found || sink_deaths (backup) == 0 ||
      backup_stores_look (backup) == 0)
    return r;
  r = renew_stores (backup, why);
  return r < 0 ? r : start_another (backup, why);
}

void
backup_sink_ensure (struct backup *backup)
{
  struct failure why = { 0 };

  /* One that a begin which failed early starts now nobody would end. */
  if (!backup->serving.sink_begun && !backup->recovered)
    return;
  backup->serving.sink_deaths = sink_deaths (backup);
  if (sink_answers (backup, &why) < 0) {
    log_warning ("the sink of %s is started anew: %s", backup->options.domain,
                 why.text);
    why.error = 0;
    if (backup_sink_replace (backup, &why) < 0) {
      log_error ("no other sink of %s can be started, guest writes may fail: "
                 "%s", backup->options.domain, why.text);
      return;
    }
  }
  wait_for_qemu (backup);
}

void
backup_sink_ensure_again (struct backup *backup)
{
  if (sink_deaths (backup) != backup->serving.sink_deaths)
    backup_sink_ensure (backup);
}

int
backup_sink_stop (void *context, struct failure *why)
{
  struct backup *backup = context;
  const struct process_place place = backup_sink_place (backup);

  /* Without it guest writes would wait, and then fail. */
  if (backup->serving.sink_needed)
    return 0;
  process_child_stop (backup->serving.sink);
  backup->serving.sink = NULL;
  process_listen_remove (&place);
  return 0;
}
