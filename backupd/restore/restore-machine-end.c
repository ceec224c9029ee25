/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU hangs where its NBD server is stopped while somebody is in a handshake with it: so first
 * nobody can come any more, and all have gone. */
#include <config.h>

#include <errno.h>
#include <unistd.h>

#include "client.h"
#include "deadline.h"
#include "patience.h"
#include "process-sockets.h"
#include "qmp-export.h"
#include "qmp-peer.h"
#include "restore-machine.h"
#include "restore-registry.h"

/* It syncs all that is in the page cache. */
#define FLUSH_MS patience_ms (600000)
#define EXPORTS_MS patience_ms (30000)
#define LEAVE_MS patience_ms (10000)
#define LEAVE_POLL_MS 5

/* --- exports ----------------------------------------------------------------------- */

static int
end_exports (struct qmp *qmp, struct restore *restore, struct failure *why)
{
  g_auto (GStrv) ids = restore_machine_exports (restore);

  return qmp_export_remove (qmp, (const char *const *) ids, EXPORTS_MS, why);
}

int
restore_machine_end_exports (void *context, struct failure *why)
{
  struct restore *restore = context;
  int r = restore->qemu == NULL ? 0
          : restore_machine_ask (restore, true, end_exports, why);

  return r == -ESRCH ? 0 : r;
}

/* --- the server -------------------------------------------------------------------- */

static int
wait_for_clients (const struct qmp *qmp, const char *socket,
                  struct failure *why)
{
  int64_t deadline_ms = now_ms () + LEAVE_MS;
  uid_t uid;
  gid_t gid;
  pid_t pid = 0;

  if (qmp_peer (qmp, &uid, &gid, &pid) < 0)
    pid = 0;
  while (process_sockets_held (pid, socket) > 0) {
    if (ms_left (deadline_ms) == 0)
      return failure_set (why, FAILURE_BUSY, EBUSY, "somebody is connected to "
                          "QEMU's NBD server at %s, and QEMU would hang if it "
                          "were told to stop it: end that connection", socket);
    g_usleep (LEAVE_POLL_MS * 1000);
  }
  return 0;
}

/* What QEMU was given it may have without a server that uses it, where the daemon died at that
 * moment; and the server may be somebody else's. */
static int
stop_server (struct qmp *qmp, struct restore *restore, struct failure *why)
{
  const char *socket = restore->storage_socket;
  char name[QMP_NAME_SIZE];
  int r;

  if (!process_sockets_we_listen (socket))
    return 0;
  qmp_name (name, restore->tag, "nbd", 0);
  r = qmp_export_server_forget (qmp, name, why);
  if (r < 0 || !process_sockets_we_listen (socket))
    return r;
  r = wait_for_clients (qmp, socket, why);
  return r < 0 ? r : qmp_export_server_stop (qmp, why);
}

int
restore_machine_stop_server (void *context, struct failure *why)
{
  struct restore *restore = context;
  int r;

  if (restore->qemu == NULL)
    return 0;
  (void) unlink (restore->storage_socket);
  r = restore_machine_ask (restore, true, stop_server, why);
  return r == -ESRCH ? 0 : r;
}

/* --- commit ------------------------------------------------------------------------- */

static int
flush (const struct restore *restore, struct failure *why)
{
  const struct client_address address = { .socket = restore->storage_socket };
  const struct restore_image *image;

  FOR_EACH_RESTORE_IMAGE (restore, image) {
    int r = client_flush (&address, image->disk, FLUSH_MS, why);

    if (r < 0)
      return r;
  }
  return 0;
}

/* An event that came before the answer has been heard. */
static int
let_go (struct qmp *qmp, struct restore *restore, struct failure *why)
{
  int r = restore_machine_check_exports (qmp, restore, why);

  if (r == 0)
    r = end_exports (qmp, restore, why);
  if (r == 0)
    r = stop_server (qmp, restore, why);
  if (r == 0)
    r = restore_machine_check_guest (qmp, restore, why);
  return r;
}

int
restore_machine_finish (void *context, struct failure *why)
{
  struct restore *restore = context;
  int r;

  if (restore->qemu == NULL)
    return 0;
  r = flush (restore, why);
  (void) unlink (restore->storage_socket);
  if (r == 0)
    r = restore_machine_ask (restore, true, let_go, why);
  return r < 0 ? r : restore_registry_check_unbroken (restore, why);
}
