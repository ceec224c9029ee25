/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU's NBD server, of which there is one.  It must not be stopped while a client is
 * connected: nbd-server-stop waits for the clients in QEMU's main loop, which runs
 * meanwhile, but not for one that is in its handshake.  QEMU then hangs for ever, and the
 * guest with it.  So nobody can come any more first, and all have gone before it is told.
 *
 * It listens on a socket of ours, which QEMU gets a copy of and nobody but us can connect
 * to: QEMU need not reach a folder for that.  Where the link to QEMU carries no
 * descriptors (a proxy's does not) QEMU makes its socket in the one folder that it has. */
#include <config.h>

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "backup-base.h"
#include "backup-steps.h"
#include "deadline.h"
#include "log.h"
#include "process-listen.h"
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

/* The socket that is ours ... */
static char *
given_socket (const struct backup *backup)
{
  return g_build_filename (backup->paths.private_folder, "nbd.sock", NULL);
}

/* ... and the one that QEMU makes. */
static char *
their_socket (const struct backup *backup)
{
  return backup->vm.folder == NULL
         ? g_build_filename (backup->paths.private_folder, "qemu/nbd.sock", NULL)
         : g_strdup_printf ("%s/pullback-%s.nbd", backup->vm.folder, backup->tag);
}

static void
given_name (const struct backup *backup, char name[QMP_NAME_SIZE])
{
  qmp_name (name, backup->tag, "nbd", 0);
}

static int
start_on_ours (struct backup *backup, struct failure *why)
{
  g_autofree char *path = given_socket (backup);
  char name[QMP_NAME_SIZE];
  CLEANUP_FD int fd = -1;
  const struct process_place place = { .socket = path, .uid = geteuid (),
                                       .gid = getegid (),
                                       .label = backup->vm.label };
  int r = process_listen (&place, &fd, why);

  if (r < 0)
    return r;
  given_name (backup, name);
  r = qmp_export_server_start_on (backup->vm.qmp, fd, name, why);
  if (r < 0)
    unlink (path);
  else {
    g_free (backup->serving.qemu_socket);
    backup->serving.qemu_socket = g_steal_pointer (&path);
  }
  return r;
}

int
backup_server_start (void *context, struct failure *why)
{
  struct backup *backup = context;
  int r = 0;

  if (!is_needed (backup))
    return 0;
  r = start_on_ours (backup, why);
  if (r != -EOPNOTSUPP)
    return r;
  log_info ("QEMU of %s makes the socket of its NBD server itself, as it "
            "takes none of ours", backup->options.domain);
  g_free (backup->serving.qemu_socket);
  backup->serving.qemu_socket = their_socket (backup);
  return qmp_export_server_start (backup->vm.qmp, backup->serving.qemu_socket,
                                  why);
}

static bool
all_leave (const struct backup *backup, const char *socket, int timeout_ms)
{
  int64_t deadline_ms = now_ms () + timeout_ms;

  while (process_sockets_held (backup->vm.pid, socket) > 0) {
    if (ms_left (deadline_ms) == 0)
      return false;
    g_usleep (LEAVE_POLL_MS * 1000);
  }
  return true;
}

/* The exports are gone: who had them is cut off by QEMU, who asks for one is refused. */
static int
wait_for_clients (struct backup *backup, const char *socket,
                  struct failure *why)
{
  pid_t view;

  if (all_leave (backup, socket, VIEW_LEAVES_MS))
    return 0;
  view = process_child_status (backup->serving.view).pid;
  if (view > 0)
    kill (view, SIGKILL);
  if (all_leave (backup, socket, LEAVE_MS))
    return 0;
  return failure_set (why, FAILURE_BUSY, EBUSY, "somebody is connected to "
                      "QEMU's NBD server at %s, and QEMU would hang if it "
                      "were told to stop it: end that connection", socket);
}

/* One that listens on SOCKET, also after that is gone, is ours. */
static int
stop_at (struct backup *backup, const char *socket, struct failure *why)
{
  int r = wait_for_clients (backup, socket, why);

  return r < 0 ? r : qmp_export_server_stop (backup->vm.qmp, why);
}

/* What QEMU was given it may have without a server that uses it, when the daemon died
 * at that moment; and the server may be somebody else's. */
static int
stop_on_ours (struct backup *backup, const char *socket, struct failure *why)
{
  char name[QMP_NAME_SIZE];
  int r;

  if (!process_sockets_we_listen (socket))
    return 0;
  given_name (backup, name);
  r = qmp_export_server_forget (backup->vm.qmp, name, why);
  return r < 0 || !process_sockets_we_listen (socket) ? r
         : stop_at (backup, socket, why);
}

int
backup_server_stop (void *context, struct failure *why)
{
  struct backup *backup = context;
  g_autofree char *ours = given_socket (backup);
  g_autofree char *theirs = their_socket (backup);
  const struct process_place place = { .socket = theirs, .uid = backup->vm.uid,
                                       .gid = backup->vm.gid,
                                       .theirs = backup->vm.folder != NULL };
  int r;

  unlink (ours);
  process_listen_remove (&place);
  if (backup->vm.qmp == NULL)
    return 0;
  r = stop_on_ours (backup, ours, why);
  return r < 0 || !process_sockets_listens (backup->vm.pid, theirs) ? r
         : stop_at (backup, theirs, why);
}
