/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A monitor that is silent tells nothing: QEMU may wait for a sink that died,
 * be stopped, or exit, and its sockets close in any order.  Only its process
 * and its connection to the sink tell that it is gone. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backup-qemu.h"
#include "backup-sink.h"
#include "deadline.h"
#include "json-members.h"
#include "qmp-export.h"
#include "qmp-job.h"
#include "qmp-node.h"
#include "qmp-peer.h"
#include "stop-clock.h"

/* One that is well answers within this, mostly. */
#define LOOK_MS 1000
#define POLL_MS 20

bool
backup_qemu_is (const struct backup *backup, struct qmp *qmp)
{
  g_autofree char *boot_id = qmp_boot_id (qmp);
  CLEANUP_JSON json_object *jobs = NULL;
  struct backup_disk *disk;

  if (g_strcmp0 (boot_id, backup->vm.boot_id) == 0)
    return true;
  if (qmp_job_list (qmp, &jobs, NULL) < 0)
    return false;
  FOR_EACH_DISK (backup, disk)
    if (qmp_job_status (jobs, disk->job_id) != NULL)
      return true;
  return false;
}

pid_t
backup_qemu_process (const struct backup *backup)
{
  return backup->vm.boot_id == NULL ? 0
         : (pid_t) strtol (backup->vm.boot_id, NULL, 10);
}

static bool
answers (const struct backup *backup, int64_t deadline_ms)
{
  struct qmp *qmp = backup->vm.qmp;
  int r = -ENOTCONN;

  if (qmp != NULL && !qmp_is_lost (qmp))
    r = qmp_call (qmp, "query-jobs", NULL, ms_left (deadline_ms), NULL, NULL);
  /* A refusal is an answer.  Somebody else's is not, while the one that began
   * the backup may run. */
  return (r == 0 || r == -EREMOTEIO) &&
         (backup_qemu_is (backup, qmp) ||
          !qmp_boot_is_alive (backup->vm.boot_id));
}

enum backup_qemu
backup_qemu_look (const struct backup *backup, int timeout_ms)
{
  int64_t deadline_ms = stop_clock_cap (now_ms () + timeout_ms);

  if (answers (backup, deadline_ms))
    return BACKUP_QEMU_ALIVE;
  /* Its sockets close one by one, and before it has exited. */
  while (qmp_boot_is_alive (backup->vm.boot_id) ||
         backup_sink_is_used (backup)) {
    if (ms_left (stop_clock_cap (deadline_ms)) == 0)
      return BACKUP_QEMU_MUTE;
    g_usleep (POLL_MS * 1000);
  }
  return BACKUP_QEMU_GONE;
}

enum backup_qemu
backup_qemu_ask (struct backup *backup)
{
  int64_t deadline_ms = now_ms () + BACKUP_QEMU_MUTE_MS;
  enum backup_qemu qemu = backup_qemu_look (backup, LOOK_MS);

  if (qemu != BACKUP_QEMU_MUTE)
    return qemu;
  if (backup->vm.qmp != NULL && !qmp_is_lost (backup->vm.qmp))
    backup_sink_ensure (backup);
  /* That may have taken long, and be what it waited for. */
  return backup_qemu_look (backup, MAX (ms_left (deadline_ms), LOOK_MS));
}

int
backup_qemu_mute_failure (const struct backup *backup, const char *outcome,
                          struct failure *why)
{
  size_t digits = strspn (backup->vm.boot_id, "0123456789");

  return failure_set (why, FAILURE_QMP, EBUSY, "QEMU of domain %s (process "
                      "%.*s) runs but does not answer: %s",
                      backup->options.domain,
                      digits == 0 ? 7 : (int) digits,
                      digits == 0 ? "unknown" : backup->vm.boot_id, outcome);
}

int
backup_qemu_remove (const struct backup *backup, GPtrArray *exports,
                    GPtrArray *nodes, struct failure *why)
{
  int r;

  g_ptr_array_add (exports, NULL);
  g_ptr_array_add (nodes, NULL);
  r = qmp_export_remove (backup->vm.qmp, (const char *const *) exports->pdata,
                         QMP_TIMEOUT_MS, why);
  return r < 0 ? r
         : qmp_node_remove_all (backup->vm.qmp,
                                (const char *const *) nodes->pdata, why);
}
