/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Restores write behind the back of whoever uses an image later: what they know of it is asked
 * for each image of a disk, the lower ones too. */
#include <config.h>

#include <stdlib.h>

#include <glib.h>

#include "backup-whole.h"
#include "cleanup.h"
#include "file-identity.h"
#include "json-members.h"
#include "qmp-guest.h"
#include "qmp-image.h"
#include "restore.h"

/* The mark is beside the file itself, which QEMU may call by a symbolic link or only by a
 * descriptor. */
static int
check_own_name (const struct qmp_image *image, const char *identity,
                struct failure *why)
{
  g_autofree char *link =
    g_strdup_printf ("/proc/%d/fd/%d", (int) image->pid, image->number);
  g_autofree char *name = g_file_read_link (link, NULL);

  return name == NULL ? 0 : restore_check_whole (identity, name, why);
}

/* What QEMU does not have open as a file nobody restores to. */
static int
check (const struct qmp_survey *survey, const char *filename,
       struct failure *why)
{
  g_autofree char *name = qmp_image_local_name (filename);
  char identity[FILE_IDENTITY_SIZE];
  struct qmp_image image;
  int r;

  if (name == NULL || qmp_survey_find (survey, filename, &image) < 0)
    return 0;
  file_identity_text (&image.st, identity);
  r = restore_check_whole (identity, name, why);
  return r < 0 ? r : check_own_name (&image, identity, why);
}

/* The file of QEMU's node of image I below DISK's own; NULL: it has none. */
static const char *
lower_file (const struct qmp_survey *survey, const struct qmp_disk *disk,
            size_t i)
{
  return json_get_string (json_find (qmp_survey_nodes (survey), "node-name",
                                     disk->lower[i].node), "file");
}

int
backup_whole_check (const struct qmp_survey *survey,
                    const struct qmp_disk *disk, struct failure *why)
{
  int r = check (survey, disk->filename, why);

  for (size_t i = 0; r == 0 && i < disk->n_lower; i++) {
    const char *filename = lower_file (survey, disk, i);

    if (filename != NULL)
      r = check (survey, filename, why);
  }
  return r;
}

/* Also of one that is not found among QEMU's files: by its name. */
static bool
was_restored (const struct backup_vm *vm, const char *filename,
              const char *domain, const char *checkpoint)
{
  g_autofree char *name = qmp_image_local_name (filename);
  CLEANUP_FREE char *path = name == NULL ? NULL : realpath (name, NULL);
  char identity[FILE_IDENTITY_SIZE] = "";
  struct qmp_image image;

  if (name == NULL)
    return false;
  if (qmp_survey_find (vm->survey, filename, &image) == 0)
    file_identity_text (&image.st, identity);
  return restore_was_after (identity, path == NULL ? name : path, domain,
                            checkpoint);
}

/* Bitmaps that came with the machine's memory do not know what was written to the image before
 * they were there. */
static bool
was_restored_itself (const struct backup *backup, const struct qmp_disk *disk,
                     const char *checkpoint)
{
  return was_restored (&backup->vm, disk->filename, backup->options.domain,
                       checkpoint) &&
         (backup->vm.qmp == NULL || qmp_guest_has_arrived (backup->vm.qmp));
}

bool
backup_whole_was_restored (const struct backup *backup,
                           const struct qmp_disk *disk, const char *checkpoint)
{
  if (was_restored_itself (backup, disk, checkpoint))
    return true;
  for (size_t i = 0; i < disk->n_lower; i++) {
    const char *filename = lower_file (backup->vm.survey, disk, i);

    if (filename != NULL &&
        was_restored (&backup->vm, filename, backup->options.domain,
                      checkpoint))
      return true;
  }
  return false;
}
