/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NBD_CMD_CACHE has QEMU copy to the image what is in its backing file alone, beside the
 * client's own requests, and never over what the client has written.  QEMU's job for that,
 * block-stream, is not used: with it QEMU 7.2 answers a read of a backing file that fails with
 * success, and with whatever is in the memory of the reply (copy-on-read with a bottom).
 *
 * What counts is in the journal, after a flush: from there a move goes on that was interrupted. */
#include <config.h>

#include <errno.h>

#include <libnbd.h>

#include "deadline.h"
#include "log.h"
#include "restore-journal.h"
#include "restore-move-job.h"
#include "restore-source.h"

#define PIECE (1 << 20)
#define POLL_MS 100
/* How often the journal is told. */
#define NOTE_MS 10000

static bool
is_to_stop (struct restore_instant *move)
{
  bool stop;

  pthread_mutex_lock (&move->lock);
  stop = move->stop;
  pthread_mutex_unlock (&move->lock);
  return stop;
}

static int
nbd_failure (const struct restore_moved *disk, struct failure *why)
{
  const struct restore_image *image = disk->image;
  int error = nbd_get_errno ();

  if (error == ENOSPC)
    return failure_set (why, FAILURE_STORAGE, ENOSPC, "there is no room for %s",
                        image->path);
  return failure_set (why, FAILURE_STORAGE, error != 0 ? error : EIO, "%s cannot "
                      "be read, or %s not be written: %s",
                      restore_source_text (image->source), image->path,
                      nbd_get_error () == NULL ? "unknown" : nbd_get_error ());
}

/* Until the command COOKIE is answered; below 0: until it is connected. */
static int
await (struct restore_instant *move, const struct restore_moved *disk,
       int64_t cookie, struct failure *why)
{
  int r;

  for (;;) {
    r = cookie < 0 ? !nbd_aio_is_connecting (disk->nbd)
        : nbd_aio_command_completed (disk->nbd, (uint64_t) cookie);
    if (r != 0)
      break;
    if (is_to_stop (move))
      return -ECANCELED;
    if (nbd_poll (disk->nbd, POLL_MS) < 0)
      return nbd_failure (disk, why);
  }
  return r < 0 ? nbd_failure (disk, why) : 0;
}

void
restore_move_job_close (struct restore_moved *disk)
{
  nbd_close (disk->nbd);
  disk->nbd = NULL;
}

static int
open_export (struct restore_instant *move, struct restore_moved *disk,
             struct failure *why)
{
  int r;

  if (disk->nbd != NULL && nbd_aio_is_ready (disk->nbd))
    return 0;
  restore_move_job_close (disk);
  disk->nbd = nbd_create ();
  if (disk->nbd == NULL ||
      nbd_set_export_name (disk->nbd, disk->image->disk) < 0 ||
      nbd_aio_connect_unix (disk->nbd, move->restore->storage_socket) < 0)
    return nbd_failure (disk, why);
  r = await (move, disk, -1, why);
  return r == 0 && !nbd_aio_is_ready (disk->nbd) ? nbd_failure (disk, why) : r;
}

/* All of it is in the image up to where it is now, and on stable storage; and that is noted. */
static int
note (struct restore_instant *move, struct restore_moved *disk,
      struct failure *why)
{
  struct restore_image *image = disk->image;
  int64_t cookie;
  int r = restore_source_check (image->source, why);

  if (r < 0)
    return r;
  cookie = nbd_aio_flush (disk->nbd, NBD_NULL_COMPLETION, 0);
  if (cookie < 0)
    return nbd_failure (disk, why);
  r = await (move, disk, cookie, why);
  if (r < 0)
    return r;
  image->moved_to = disk->bytes;
  image->moved = disk->bytes == disk->all;
  disk->noted = now_ms ();
  r = restore_journal_write (move->restore, why);
  if (r < 0)
    image->moved = false;
  return r;
}

static int
finish (struct restore_instant *move, struct restore_moved *disk,
        struct failure *why)
{
  int r = note (move, disk, why);

  if (r < 0)
    return r;
  restore_instant_set_state (move, disk, "moved", NULL);
  log_info ("restore %s: all of %s is in %s: its source is not needed any "
            "more", move->restore->name, disk->image->disk, disk->image->path);
  restore_move_job_close (disk);
  return 0;
}

static int
cache (struct restore_instant *move, struct restore_moved *disk, uint64_t length,
       struct failure *why)
{
  int64_t cookie = nbd_aio_cache (disk->nbd, length, disk->bytes,
                                  NBD_NULL_COMPLETION, 0);

  return cookie < 0 ? nbd_failure (disk, why) : await (move, disk, cookie, why);
}

int
restore_move_job_piece (struct restore_instant *move,
                        struct restore_moved *disk, uint64_t rate,
                        struct failure *why)
{
  uint64_t length = MIN (disk->all - disk->bytes, (uint64_t) PIECE);
  int64_t start = now_ms ();
  int r = open_export (move, disk, why);

  if (r == 0 && length > 0)
    r = cache (move, disk, length, why);
  if (r < 0)
    return r;
  restore_instant_set_state (move, disk, "moving", NULL);
  pthread_mutex_lock (&move->lock);
  disk->bytes += length;
  disk->again = start + (int64_t) (length * 1000 / rate);
  pthread_mutex_unlock (&move->lock);
  if (disk->bytes == disk->all)
    return finish (move, disk, why);
  return now_ms () - disk->noted < NOTE_MS ? 0 : note (move, disk, why);
}
