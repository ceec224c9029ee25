/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guest writes wait for a sink that died with the daemon, or after it.  So a new one
 * comes before all that may take long: before QEMU is asked anything, which may
 * itself wait for its disks and not answer. */
#include <config.h>

#include <sys/stat.h>

#include "backup-journal.h"
#include "backup-processes.h"
#include "backup-stores.h"
#include "backup.h"
#include "log.h"
#include "qmp-peer.h"
#include "process-sockets.h"

static void
revive (struct backup *backup)
{
  struct failure why = { .error = 0 };
  struct stat st;

  /* The old socket tells whose the new one is to be. */
  if (lstat (backup->sink_socket, &st) < 0)
    return;
  backup->uid = st.st_uid;
  backup->gid = st.st_gid;
  log_warning ("nobody serves the sink of %s any more: starting another one, "
               "because guest writes may wait for it", backup->domain);
  if (backup_start_sink (backup, &why) < 0)
    log_error ("the sink of %s cannot be started, guest writes wait: %s",
               backup->domain, why.text);
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
  /* Without stores QEMU does not know of a sink yet. */
  if (qmp_boot_is_alive (backup->boot_id) &&
      backup_find_stores (backup, &why) == 0 &&
      !process_sockets_listens (getpid (), backup->sink_socket))
    revive (backup);
  sink = backup->sink;
  backup_destroy (backup);
  return sink;
}
