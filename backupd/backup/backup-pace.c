/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One pace file per device, whichever domain it is of, as a disk has one queue for
 * all of them; one of the host, for the daemon's --max-rate; and one of the backup,
 * which goes with it.  The others stay: who has one open must not be left with
 * another file than those who come after. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "backup-image.h"
#include "backup-pace-model.h"
#include "backup-steps.h"

#define MAX_RATE_LEAST (UINT64_C (1) << 20)

bool
backup_pace_is_on (const struct backup *backup)
{
  const struct arguments_backup_begin *given = backup->options.given;

  return given == NULL || g_strcmp0 (given->pace, "off") != 0;
}

static uint64_t
asked_rate (const struct backup *backup)
{
  const struct arguments_backup_begin *given = backup->options.given;

  return given == NULL || given->max_rate < 0 ? 0 : (uint64_t) given->max_rate;
}

int
backup_pace_check (const struct backup *backup, struct failure *why)
{
  uint64_t rate = asked_rate (backup);

  if (rate == 0 || rate >= MAX_RATE_LEAST)
    return 0;
  return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "max-rate: %" PRIu64
                      " bytes per second are too few for a backup that is to "
                      "end: give at least 1M", rate);
}

void
backup_pace_plan (const struct backup *backup, struct backup_disk *disk,
                  const struct qmp_disk *live)
{
  const struct backup_image *top = disk->images->len == 0 ? NULL
                                   : g_ptr_array_index (disk->images, 0);
  struct qmp_image image;
  struct stat *st = &image.st;

  if (top != NULL ? fstat (top->fd, st) < 0
      : qmp_survey_find (backup->vm.survey, live->filename, &image) < 0)
    return;
  disk->device = S_ISBLK (st->st_mode) ? st->st_rdev : st->st_dev;
}

char *
backup_pace_path (const struct backup *backup, const struct backup_disk *disk)
{
  const char *folder = backup->paths.pace_folder;

  return disk->device == 0
         ? g_strdup_printf ("%s/%s.domain", folder, backup->options.domain)
         : g_strdup_printf ("%s/%u-%u", folder, major (disk->device),
                            minor (disk->device));
}

static struct pace_device *
find_device (const struct backup *backup, const char *path)
{
  GPtrArray *devices = backup->pace->devices;

  for (guint i = 0; i < devices->len; i++) {
    struct pace_device *device = g_ptr_array_index (devices, i);

    if (strcmp (device->path, path) == 0)
      return device;
  }
  return NULL;
}

static void
device_free (gpointer data)
{
  struct pace_device *device = data;

  pace_close (device->pace);
  g_free (device->path);
  g_free (device);
}

static int
open_device (struct backup *backup, struct backup_disk *disk,
             struct failure *why)
{
  g_autofree char *path = backup_pace_path (backup, disk);
  struct pace_device *device;
  struct pace *opened;
  int r;

  if (find_device (backup, path) != NULL)
    return 0;
  r = pace_create (path, &opened);
  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r, "cannot create the pace file "
                        "%s: %s", path, g_strerror (-r));
  device = g_new0 (struct pace_device, 1);
  device->path = TAKE_PTR (path);
  device->pace = opened;
  device->slot = -1;
  device->limit = PACE_UNLIMITED;
  device->counted = pace_counted (opened);
  pace_set_floor (opened, backup->paths.pace_floor);
  g_ptr_array_add (backup->pace->devices, device);
  return 0;
}

static int
open_limit (const char *path, uint64_t rate, struct pace **pace,
            struct failure *why)
{
  int r = pace_create (path, pace);

  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r, "cannot create the pace file "
                        "%s: %s", path, g_strerror (-r));
  pace_set_fixed (*pace, rate);
  return 0;
}

static char *
host_path (const struct backup *backup)
{
  return g_build_filename (backup->paths.pace_folder, "host", NULL);
}

int
backup_pace_open (void *context, struct failure *why)
{
  struct backup *backup = context;
  struct backup_pace *pace = g_new0 (struct backup_pace, 1);
  g_autofree char *host = host_path (backup);
  struct backup_disk *disk;
  int r;

  backup_pace_destroy (backup->pace);
  backup->pace = pace;
  pace->path = g_build_filename (backup->paths.private_folder, "pace", NULL);
  pace->devices = g_ptr_array_new_with_free_func (device_free);
  pace->owner = (uint64_t) g_random_int () << 32 | g_random_int () | 1;
  /* Of a backup that is taken over its view has that file. */
  if (!backup->adopting)
    unlink (pace->path);
  r = open_limit (pace->path, asked_rate (backup), &pace->own, why);
  if (r == 0)
    r = open_limit (host, backup->paths.max_rate, &pace->host, why);
  FOR_EACH_DISK (backup, disk)
    if (r == 0)
      r = open_device (backup, disk, why);
  return r;
}

void
backup_pace_destroy (struct backup_pace *pace)
{
  if (pace == NULL)
    return;
  for (guint i = 0; i < pace->devices->len; i++) {
    struct pace_device *device = g_ptr_array_index (pace->devices, i);

    if (device->slot >= 0)
      pace_slot_leave (device->pace, device->slot, pace->owner);
  }
  g_ptr_array_unref (pace->devices);
  pace_close (pace->own);
  pace_close (pace->host);
  g_free (pace->path);
  g_free (pace);
}

int
backup_pace_close (void *context, struct failure *why)
{
  struct backup *backup = context;
  g_autofree char *path =
    g_build_filename (backup->paths.private_folder, "pace", NULL);

  if (backup->vm.qmp != NULL)
    qmp_ask_forget (backup->vm.qmp);
  backup_pace_destroy (TAKE_PTR (backup->pace));
  unlink (path);
  return 0;
}

void
backup_pace_tell_limits (const struct backup *backup, GPtrArray *arguments)
{
  g_autofree char *host = host_path (backup);

  if (backup->pace == NULL)
    return;
  g_ptr_array_add (arguments, g_strdup_printf ("limit=%s",
                                               backup->pace->path));
  g_ptr_array_add (arguments, g_strdup_printf ("limit=%s", host));
}

void
backup_pace_tell_device (const struct backup *backup,
                         const struct backup_disk *disk, GPtrArray *arguments)
{
  g_autofree char *path = backup_pace_path (backup, disk);

  if (backup->pace != NULL)
    g_ptr_array_add (arguments, g_strdup_printf ("pace=%s", path));
}
