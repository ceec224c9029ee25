/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Going on: the same steps as of a begin, but for those that make the images.  A client's flush is
 * what it can rely on, as of any disk.  Ended in good order, which is gateway, flush, the rest,
 * nothing is lost at all, so that a client which connects again is not told from one that has
 * never been away. */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>

#include "client.h"
#include "deadline.h"
#include "log.h"
#include "patience.h"
#include "process-leftover.h"
#include "process-sockets.h"
#include "restore-go-on.h"
#include "restore-instant.h"
#include "restore-journal.h"
#include "restore-move.h"
#include "restore-source.h"
#include "restore-steps.h"
#include "restore-storage.h"
#include "restore-written.h"

#define SOURCE_MS patience_ms (10000)
#define FLUSH_MS patience_ms (15000)
/* A client that has just left is seen to have. */
#define LEAVE_MS patience_ms (2000)

/* --- before a commit or an abort ------------------------------------------------- */

static int
check_alone (const struct restore *restore, struct failure *why)
{
  int64_t deadline = now_ms () + LEAVE_MS;
  unsigned n = 0;

  do {
    n = process_sockets_connected (0, restore->storage_socket);
    if (n == 0 || n == UINT_MAX)
      return 0;
    poll (NULL, 0, 50);
  } while (ms_left (deadline) > 0);
  return failure_set (why, FAILURE_BUSY, EBUSY, "%u %s connected to the restore "
                      "%s: power the virtual machine off first", n,
                      n == 1 ? "client is" : "clients are", restore->name);
}

/* The move is a client, too. */
int
restore_go_on_check_alone (struct restore *restore, struct failure *why)
{
  struct failure start = { .error = 0 };
  int r;

  if (restore->instant == NULL || restore_instant_is_interrupted (restore))
    return 0;
  r = restore_move_stop (restore, why);
  if (r == 0)
    r = check_alone (restore, why);
  if (r < 0 && restore_move_start (restore, &start) < 0)
    log_error ("restore %s: %s", restore->name, start.text);
  return r;
}

int
restore_go_on_check (struct restore *restore, struct failure *why)
{
  g_autofree char *broken = NULL;
  int r;

  if (restore->instant == NULL)
    return 0;
  broken = restore_instant_broken (restore->instant);
  if (broken != NULL)
    return failure_set (why, FAILURE_BROKEN, ESTALE, "the restore %s is broken "
                        "(%s): abort it", restore->name, broken);
  if (restore_instant_is_interrupted (restore))
    return failure_set (why, FAILURE_BROKEN, EIO, "the restore %s is interrupted "
                        "(%s): begin it again, as before", restore->name,
                        restore->reason == NULL ? "it does not run"
                        : restore->reason);
  if (restore->broken)
    return failure_set (why, FAILURE_BROKEN, EIO, "the restore %s is broken "
                        "(%s): begin it again, as before", restore->name,
                        restore->reason);
  if (restore_storage_is_lost (restore))
    return failure_set (why, FAILURE_BROKEN, EIO, "qemu-storage-daemon of the "
                        "restore %s has ended: begin it again, as before",
                        restore->name);
  r = restore_instant_check_moved (restore->instant, why);
  return r < 0 ? r : restore_go_on_check_alone (restore, why);
}

/* --- ending its processes --------------------------------------------------------- */

/* Nobody but us is connected. */
static bool
flush_all (const struct restore *restore)
{
  const struct client_address address = {
    .socket = restore->storage_socket
  };
  const struct restore_image *image;

  FOR_EACH_RESTORE_IMAGE (restore, image) {
    struct failure why = { .error = 0 };

    if (client_flush (&address, image->disk, FLUSH_MS, &why) < 0) {
      log_warning ("restore %s: what was written lately to %s may be lost: %s",
                   restore->name, image->disk, why.text);
      return false;
    }
  }
  return true;
}

/* Nobody can write any more; KEPT: and all that was answered is in the images. */
static void
settle (struct restore *restore, bool kept)
{
  struct restore_instant *instant = restore->instant;
  struct failure why = { .error = 0 };

  if (!kept && !instant->clean)
    instant->generation++;
  instant->clean = true;
  restore->lost = false;
  if (restore_journal_write (restore, &why) < 0)
    log_error ("restore %s: %s", restore->name, why.text);
}

void
restore_go_on_suspend (struct restore *restore)
{
  struct failure why = { .error = 0 };
  bool kept = restore->gateway == NULL;

  (void) restore_move_stop (restore, &why);
  (void) restore_serve_stop_gateway (restore, &why);
  kept = kept || (restore->storage != NULL &&
                  !restore_storage_is_lost (restore) && flush_all (restore));
  (void) restore_storage_stop (restore, &why);
  settle (restore, kept);
}

/* --- going on ---------------------------------------------------------------------- */

static int
open_images (struct restore *restore, struct failure *why)
{
  struct restore_image *image;

  FOR_EACH_RESTORE_IMAGE (restore, image) {
    int r = restore_target_reopen (image->target, why);

    if (r == 0 && !image->moved)
      r = restore_source_open (image->source, image->path,
                               restore->settings->folders, SOURCE_MS, why);
    if (r < 0)
      return r;
  }
  return 0;
}

/* The first step of serving says that clients can write, which is known. */
static int
serve (struct restore *restore, struct failure *why)
{
  struct arguments_restore_begin given = { .tcp = restore->instant->tcp };
  size_t started;
  int r;

  g_clear_pointer (&restore->front.host, g_free);
  g_clear_pointer (&restore->front.port, g_free);
  restore->given = &given;
  r = steps_run (restore_serve_steps + 1, n_restore_serve_steps - 1, restore,
                 &started, why);
  restore->given = NULL;
  return r;
}

int
restore_go_on_resume (struct restore *restore, struct failure *why)
{
  g_autofree char *broken = restore_instant_broken (restore->instant);
  int r = broken != NULL ? failure_set (why, FAILURE_BROKEN, ESTALE, "%s: abort "
                                        "the restore", broken)
          : open_images (restore, why);

  if (r == 0)
    r = restore_written_create (restore, why);
  /* From here on clients can write, in this boot of the host. */
  if (r == 0) {
    restore->instant->clean = false;
    r = restore_journal_write (restore, why);
  }
  if (r == 0)
    r = serve (restore, why);
  if (r < 0)
    restore_go_on_suspend (restore);
  return r;
}

/* --- another daemon's ---------------------------------------------------------------- */

bool
restore_go_on_gather (const struct restore *restore)
{
  const struct restore_instant *instant = restore->instant;

  process_leftover_kill (restore->routes);
  if (instant->clean)
    return true;
  /* Clients of a unix socket have ended with the host. */
  return restore_written_in_this_boot (restore) ? flush_all (restore)
         : instant->tcp == NULL;
}

int
restore_go_on_without (struct restore *restore, bool kept,
                       struct failure *why)
{
  log_info ("the restore %s goes on, which another daemon began",
            restore->name);
  settle (restore, kept);
  return restore_go_on_resume (restore, why);
}
