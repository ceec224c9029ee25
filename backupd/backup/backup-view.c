/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The view inherits its images, open: what becomes of their paths does not matter to
 * one that is started again. */
#include <config.h>

#include <unistd.h>

#include "backup-base.h"
#include "backup-pace.h"
#include "backup-process.h"
#include "backup-steps.h"
#include "process-listen.h"
#include "process-self.h"

/* IMAGES are the descriptors that the view inherits. */
static void
view_disk_arguments (const struct backup *backup,
                     const struct backup_disk *disk, GPtrArray *a,
                     GArray *images)
{
  struct backup_since *since;

  g_ptr_array_add (a, g_strdup_printf ("disk=%s", disk->name));
  disk->base->tell (backup, disk, a, images, BACKUP_VIEW_FIRST_IMAGE);
  FOR_EACH_SINCE (disk, since)
    g_ptr_array_add (a, g_strdup_printf ("bitmap=%s", since->label));
  if (backup_pace_is_on (backup))
    backup_pace_tell_device (backup, disk, a);
}

/* It makes that socket itself, so that nobody else has to keep it: without one,
 * payload goes over the other. */
static void
memory_arguments (const struct backup *backup, GPtrArray *a)
{
  g_ptr_array_add (a, g_strdup_printf ("memory=%s",
                                       backup->serving.memory_socket));
  if (geteuid () == 0)
    g_ptr_array_add (a, g_strdup_printf ("memory-owner=%u:%u",
                                         (unsigned) backup->paths.gateway.uid,
                                         (unsigned) backup->paths.gateway.gid));
}

int
backup_view_start (void *context, struct failure *why)
{
  struct backup *backup = context;
  g_autoptr (GPtrArray) a = backup_process_nbdkit (backup, "view");
  g_autoptr (GArray) images = g_array_new (FALSE, FALSE, sizeof (int));
  struct backup_disk *disk;
  int fd = -1, r = 0;

  memory_arguments (backup, a);
  backup_pace_tell_limits (backup, a);
  FOR_EACH_DISK (backup, disk)
    view_disk_arguments (backup, disk, a, images);
  if (!backup->adopting)
    r = process_listen_unix (backup->serving.view_socket,
                             backup->paths.gateway.uid,
                             backup->paths.gateway.gid, &fd, why);
  if (r == 0)
    r = backup_process_start (backup, (struct process_child_spec) {
          .role = "view", .listen_fd = fd,
          .place = { .socket = backup->serving.view_socket,
                     .uid = backup->paths.gateway.uid,
                     .gid = backup->paths.gateway.gid },
          .more_fds = (const int *) (void *) images->data,
          .n_more_fds = images->len,
          .oom_score_adj = PROCESS_OOM_VIEW,
          .background = backup_pace_is_on (backup)
        }, a, &backup->serving.view, why);
  return r;
}

int
backup_view_stop (void *context, struct failure *why)
{
  struct backup *backup = context;

  backup_process_stop (&backup->serving.view, backup->serving.view_socket);
  unlink (backup->serving.memory_socket);
  return 0;
}
