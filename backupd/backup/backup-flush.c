/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU keeps tables of qcow2 images in memory, so what was written before the
 * freeze need not be in the image (rule D1).  A flush puts it there, and within a
 * flush the guest's writes may wait until all of the image that is dirty in the
 * page cache is on the disk, which can be gigabytes.  So that is written from
 * outside first, again and again until there is little left, by sync (1): on
 * storage that hangs no call would return.  Most of it before the freeze, as from
 * then on a job is in the way of whoever wants to migrate. */
#include <config.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "backup-base.h"
#include "backup-flush.h"
#include "backup-image.h"
#include "backup-steps.h"
#include "deadline.h"
#include "log.h"
#include "process-spawn.h"
#include "stop-clock.h"

/* Little: what the guest may wait for. */
#define SHORT_MS 300
/* For all disks, before the freeze and after it. */
#define AHEAD_MS 30000
#define AFTER_MS 3000
/* Of that, for all together. */
#define TOGETHER_MS 1000
/* What took longer than this is worth a line. */
#define TELL_MS 1000

static int
wait_for_sync (struct process *sync, int64_t deadline)
{
  struct process_end end;
  int r = -ETIMEDOUT;

  while (r == -ETIMEDOUT && ms_left (stop_clock_cap (deadline)) > 0)
    r = process_wait (sync, MIN (stop_clock_cap (deadline),
                                 now_ms () + STOP_CLOCK_SLICE_MS), &end);
  if (r == 0)
    return end.unknown || end.by_signal || end.number != 0 ? -EIO : 0;
  kill (sync->pid, SIGKILL);
  process_let_go (sync);
  return r;
}

/* Of descriptors. */
static GArray *
images_start (void)
{
  GArray *images = g_array_new (FALSE, FALSE, sizeof (int));
  const int streams[] = { PROCESS_NULL, PROCESS_NULL, PROCESS_NULL };

  return g_array_append_vals (images, streams, G_N_ELEMENTS (streams));
}

static void
images_add (GArray *images, const struct backup_disk *disk)
{
  struct backup_image *image;

  FOR_EACH_IMAGE (disk, image)
    if (image->can_be_written && !image->never_flushed)
      g_array_append_val (images, image->fd);
}

/* One process writes all of them. */
static int
images_sync (const GArray *images, int64_t deadline)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  struct process sync;
  int r;

  g_ptr_array_add (argv, g_strdup ("sync"));
  g_ptr_array_add (argv, g_strdup ("--data"));
  for (guint i = 3; i < images->len; i++)
    g_ptr_array_add (argv, g_strdup_printf ("/proc/self/fd/%u", i));
  if (argv->len == 2)
    return 0;
  g_ptr_array_add (argv, NULL);
  r = process_spawn (&(struct process_spec) {
                       .program = "sync", .argv = (char **) argv->pdata,
                       .descriptors = (const void *) images->data,
                       .n_descriptors = images->len }, &sync);
  return r < 0 ? r : wait_for_sync (&sync, deadline);
}

/* All disks' at once, which is all there is to do where little is dirty.  False: each
 * is to be looked after by itself. */
static bool
sync_together (const struct backup *backup)
{
  g_autoptr (GArray) images = images_start ();
  int64_t start = now_ms ();
  struct backup_disk *disk;

  FOR_EACH_DISK (backup, disk)
    if (disk->base->flush != NULL)
      images_add (images, disk);
  return images_sync (images, start + TOGETHER_MS) == 0 &&
         now_ms () - start <= SHORT_MS;
}

int
backup_flush_prepare (const struct backup *backup,
                      const struct backup_disk *disk, int64_t deadline,
                      struct failure *why)
{
  g_autoptr (GArray) images = images_start ();
  int64_t start = now_ms (), before, now;
  int r;

  /* Not long ago: the guest writes on. */
  if (backup->freeze.written_ms != 0 &&
      start - backup->freeze.written_ms <= SHORT_MS)
    return 0;
  images_add (images, disk);
  do {
    before = now_ms ();
    r = images_sync (images, deadline);
    now = now_ms ();
    if (r == 0 && now >= deadline)
      r = -ETIMEDOUT;
  } while (r == 0 && now - before > SHORT_MS);
  if (now - start > TELL_MS)
    log_disk_info (disk->name, "disk %s: what was written took %.1f s to get "
                   "to the storage", disk->name,
                   (double) (now - start) / 1000);
  return r == 0 ? 0
         : failure_set (why, FAILURE_STORAGE, -r, "its image is not written "
                        "out (%s)", g_strerror (-r));
}

int
backup_flush_ahead (void *context, struct failure *why)
{
  struct backup *backup = context;
  int64_t deadline = now_ms () + AHEAD_MS;
  struct failure unwritten = { .error = 0 };
  struct backup_disk *disk;

  if (sync_together (backup))
    return 0;
  FOR_EACH_DISK (backup, disk)
    if (disk->base->flush != NULL && ms_left (deadline) > 0)
      (void) !backup_flush_prepare (backup, disk, deadline, &unwritten);
  return 0;
}

int
backup_flush (void *context, struct failure *why)
{
  struct backup *backup = context;
  int64_t deadline = now_ms () + AFTER_MS;
  struct backup_disk *disk;
  int r = 0;

  backup->freeze.written_ms = sync_together (backup) ? now_ms () : 0;
  FOR_EACH_DISK (backup, disk)
    if (r == 0 && disk->base->flush != NULL)
      r = disk->base->flush (backup, disk, deadline, why);
  return r;
}
