/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Its images come from the targets, as descriptors; the socket where it serves them is for
 * the gateway alone. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "deadline.h"
#include "log.h"
#include "patience.h"
#include "process-self.h"
#include "restore-process.h"
#include "restore-steps.h"
#include "restore-storage-daemon.h"
#include "restore-storage.h"

#define START_MS patience_ms (30000)
/* It syncs all that is in the page cache. */
#define FINISH_MS patience_ms (600000)

bool
restore_storage_has (const struct restore_image *image)
{
  return image->node == NULL &&
         strcmp (restore_target_format (image->target), "raw") != 0;
}

char *
restore_storage_mark (const struct restore *restore)
{
  return restore_storage_daemon_mark (restore->monitor);
}

bool
restore_storage_is_lost (const struct restore *restore)
{
  return process_child_status (restore->storage).failed;
}

/* --- start --------------------------------------------------------------------- */

static int
listen_for_it (const struct restore *restore, int *fd, struct failure *why)
{
  return process_listen_unix (restore->storage_socket,
                              restore->settings->gateway_uid,
                              restore->settings->gateway_gid, fd, why);
}

static int
start (struct restore *restore, GPtrArray *argv, const GArray *fds,
       struct failure *why)
{
  g_autofree char *mark = restore_storage_mark (restore);
  struct process_child_spec spec = {
    .role = "storage", .argv = (char **) argv->pdata,
    .variables = restore_storage_daemon_variables, .listen_fd = -1,
    .place = { .socket = restore->storage_socket,
               .uid = restore->settings->gateway_uid,
               .gid = restore->settings->gateway_gid },
    .more_fds = (const int *) (void *) fds->data, .n_more_fds = fds->len,
    .oom_score_adj = PROCESS_OOM_VIEW, .once = true
  };
  int r = restore->adopting ? 0
          : listen_for_it (restore, &spec.listen_fd, why);

  if (r == 0)
    r = restore_process_run (restore, spec, mark, &restore->storage, why);
  if (r < 0 || restore->adopting)
    return r;
  r = restore_storage_daemon_wait (restore->storage, restore->storage_socket,
                                   now_ms () + START_MS, why);
  return r < 0 ? r : restore_storage_daemon_check (restore->storage,
                                                   spec.more_fds,
                                                   spec.n_more_fds, why);
}

int
restore_storage_start (void *context, struct failure *why)
{
  struct restore *restore = context;
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GArray) fds = g_array_new (FALSE, FALSE, sizeof (int));
  g_autofree struct restore_storage_export *exports =
    g_new0 (struct restore_storage_export, restore->images->len);
  const struct restore_image *image;
  size_t n = 0;

  FOR_EACH_RESTORE_IMAGE (restore, image)
    if (restore_storage_has (image))
      exports[n++] = (struct restore_storage_export) {
        image->disk, image->target, image->moved ? NULL : image->source
      };
  if (n == 0)
    return 0;
  restore_storage_daemon_arguments (exports, n, restore->monitor, argv, fds);
  g_ptr_array_add (argv, NULL);
  return start (restore, argv, fds, why);
}

/* --- stop ---------------------------------------------------------------------- */

static void
remove_socket (const char *path)
{
  if (unlink (path) < 0 && errno != ENOENT)
    log_warning ("cannot remove the socket %s: %s", path, g_strerror (errno));
}

int
restore_storage_stop (void *context, struct failure *why)
{
  struct restore *restore = context;

  (void) why;
  restore->lost = restore->lost || restore_storage_is_lost (restore);
  process_child_stop (restore->storage);
  restore->storage = NULL;
  remove_socket (restore->storage_socket);
  remove_socket (restore->monitor);
  return 0;
}

int
restore_storage_finish (struct restore *restore, struct failure *why)
{
  g_autofree const char **disks = g_new0 (const char *, restore->images->len);
  const struct restore_image *image;
  size_t n = 0;
  int r;

  if (restore->storage == NULL)
    return 0;
  FOR_EACH_RESTORE_IMAGE (restore, image)
    if (restore_storage_has (image))
      disks[n++] = image->disk;
  r = restore_storage_daemon_finish (restore->storage, restore->storage_socket,
                                     disks, n, now_ms () + FINISH_MS, why);
  restore_storage_stop (restore, why);
  return r;
}
