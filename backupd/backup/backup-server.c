/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU's NBD server, of which there is one.  It must not be stopped while a client is
 * connected: nbd-server-stop waits for the clients in QEMU's main loop, which runs
 * meanwhile, but not for one that is in its handshake.  QEMU then hangs for ever, and the
 * guest with it.  So nobody can come any more first, and all have gone before it is told. */
#include <config.h>

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "backup-base.h"
#include "backup-steps.h"
#include "deadline.h"
#include "process-sockets.h"
#include "qmp-export.h"

#define LEAVE_MS 3000
#define LEAVE_POLL_MS 5
/* A view that is stopped does not leave. */
#define VIEW_LEAVES_MS 1000

static bool
is_needed (const struct backup *backup)
{
  struct backup_disk *disk;

  FOR_EACH_DISK (backup, disk)
    if (disk->since->len > 0)
      return true;
  return backup_base_needs_server (backup);
}

int
backup_server_start (void *context, struct failure *why)
{
  struct backup *backup = context;

  if (!is_needed (backup))
    return 0;
  return qmp_export_server_start (backup->vm.qmp, backup->serving.qemu_socket,
                                  why);
}

static bool
all_leave (const struct backup *backup, int timeout_ms)
{
  int64_t deadline_ms = now_ms () + timeout_ms;

  while (process_sockets_held (backup->vm.pid,
                               backup->serving.qemu_socket) > 0) {
    if (ms_left (deadline_ms) == 0)
      return false;
    g_usleep (LEAVE_POLL_MS * 1000);
  }
  return true;
}

/* The exports are gone: who had them is cut off by QEMU, who asks for one is refused. */
static int
wait_for_clients (struct backup *backup, struct failure *why)
{
  pid_t view;

  if (all_leave (backup, VIEW_LEAVES_MS))
    return 0;
  view = process_child_status (backup->serving.view).pid;
  if (view > 0)
    kill (view, SIGKILL);
  if (all_leave (backup, LEAVE_MS))
    return 0;
  return failure_set (why, FAILURE_BUSY, EBUSY, "somebody is connected to "
                      "QEMU's NBD server at %s, and QEMU would hang if it "
                      "were told to stop it: end that connection",
                      backup->serving.qemu_socket);
}

int
backup_server_stop (void *context, struct failure *why)
{
  struct backup *backup = context;
  int r;

  unlink (backup->serving.qemu_socket);
  /* It is ours if it listens on our socket, also after that is gone. */
  if (backup->vm.qmp == NULL ||
      !process_sockets_listens (backup->vm.pid, backup->serving.qemu_socket))
    return 0;
  r = wait_for_clients (backup, why);
  return r < 0 ? r : qmp_export_server_stop (backup->vm.qmp, why);
}
