/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A migration ends with QEMU giving its images away, which fails as long as a job writes
 * before one; the virtual machine then runs on where it was.  So nothing can go
 * wrong but the migration, and it is enough to let go of QEMU before its end.  That is seen
 * by an event, where somebody (libvirt does) has switched these on for all of QEMU, and else
 * by asking at every tick.  One that is quicker than that fails, once.
 *
 * Where the backup is not to yield, QEMU gets a node that it cannot migrate, and refuses
 * the command, with the node's name, before anything is moved. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup-migration.h"
#include "backup-steps.h"
#include "deadline.h"
#include "full-io.h"
#include "log.h"
#include "qmp-migration.h"
#include "qmp-node.h"

#define YIELD "abort-backup"
#define REFUSE "refuse"
/* Its node's name is all that whoever migrates gets to read. */
#define BLOCKER "open-backup"

/* For an answer, and until the next question where there was none: QEMU may wait
 * for its disks. */
#define ANSWER_MS 500
#define AGAIN_MS 5000

/* One of an earlier daemon may. */
static bool
may_refuse (const struct backup *backup)
{
  return backup->options.given == NULL ||
         g_strcmp0 (backup->options.given->on_migrate, REFUSE) == 0;
}

int
backup_migration_check (struct backup *backup, struct failure *why)
{
  const char *policy = backup->options.given->on_migrate;
  int r;

  if (policy != NULL && strcmp (policy, YIELD) != 0 &&
      strcmp (policy, REFUSE) != 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "on-migrate: "
                        "'%.100s' is neither " YIELD " nor " REFUSE, policy);
  r = qmp_migration_query (backup->vm.qmp, QMP_TIMEOUT_MS,
                           &backup->migration.before, why);
  if (r == 0 && backup->migration.before == QMP_MIGRATION_RUNS)
    r = failure_set (why, FAILURE_BUSY, EBUSY, "the virtual machine of %s is "
                     "being migrated or saved: begin when that is over",
                     backup->options.domain);
  return r;
}

void
backup_migration_event (struct backup *backup)
{
  backup->migration.heard = true;
  backup->migration.again_ms = 0;
}

char *
backup_migration_look (struct backup *backup)
{
  struct backup_migration *seen = &backup->migration;
  enum qmp_migration now;
  bool heard = seen->heard;

  if (may_refuse (backup) || now_ms () < seen->again_ms ||
      qmp_is_lost (backup->vm.qmp))
    return NULL;
  if (qmp_migration_query (backup->vm.qmp, ANSWER_MS, &now, NULL) < 0) {
    seen->again_ms = now_ms () + AGAIN_MS;
    return NULL;
  }
  seen->heard = false;
  if (now == QMP_MIGRATION_RUNS)
    return g_strdup ("the virtual machine is being migrated or saved");
  if (now == QMP_MIGRATION_FAILED &&
      (heard || seen->before != QMP_MIGRATION_FAILED))
    return g_strdup ("the virtual machine was to be migrated or saved, which "
                     "was over too soon and failed: it will not again");
  seen->before = now;
  return NULL;
}

/* --- the step ---------------------------------------------------------- */

static char *
blocker_path (const struct backup *backup)
{
  return g_build_filename (backup->paths.private_folder, BLOCKER, NULL);
}

/* QEMU's user may read it, as it may pass through the folder. */
static int
write_image (const char *path)
{
  unsigned char image[QMP_MIGRATION_BLOCKER_SIZE];
  CLEANUP_FD int fd = -1;

  qmp_migration_blocker_image (image);
  (void) unlink (path);
  fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0 || fchmod (fd, 0644) < 0)
    return -errno;
  return full_pwrite (fd, image, sizeof image, 0);
}

int
backup_migration_forbid (void *context, struct failure *why)
{
  struct backup *backup = context;
  g_autofree char *path = blocker_path (backup);
  struct failure fault = { .error = 0 };
  char node[QMP_NAME_SIZE];
  int r;

  if (!may_refuse (backup))
    return 0;
  r = write_image (path);
  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r, "cannot write %s: %s", path,
                        g_strerror (-r));
  qmp_name (node, backup->tag, BLOCKER, 0);
  r = qmp_migration_block (backup->vm.qmp, node, path, &fault);
  (void) unlink (path);
  return r == 0 ? 0
         : failure_set (why, fault.class, -r, "migrations of %s cannot be "
                        "refused, use --on-migrate=" YIELD ": %s",
                        backup->options.domain, fault.text);
}

int
backup_migration_allow (void *context, struct failure *why)
{
  struct backup *backup = context;
  g_autofree char *path = blocker_path (backup);
  char node[QMP_NAME_SIZE];
  int r;

  if (!may_refuse (backup))
    return 0;
  (void) unlink (path);
  if (backup->vm.qmp == NULL)
    return 0;
  qmp_name (node, backup->tag, BLOCKER, 0);
  r = qmp_node_exists (backup->vm.qmp, node, why);
  return r <= 0 ? r : qmp_node_remove (backup->vm.qmp, node, why);
}
