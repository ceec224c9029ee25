/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <glib.h>

#include "backup-whole.h"
#include "file-identity.h"
#include "json-members.h"
#include "qmp-image.h"
#include "restore.h"

/* What QEMU does not have open as a file nobody restores to. */
static int
check (const struct qmp_survey *survey, const char *filename,
       struct failure *why)
{
  g_autofree char *name = qmp_image_local_name (filename);
  char identity[FILE_IDENTITY_SIZE];
  struct qmp_image image;

  if (name == NULL || qmp_survey_find (survey, filename, &image) < 0)
    return 0;
  file_identity_text (&image.st, identity);
  return restore_check_whole (identity, name, why);
}

int
backup_whole_check (const struct qmp_survey *survey,
                    const struct qmp_disk *disk, struct failure *why)
{
  int r = check (survey, disk->filename, why);

  for (size_t i = 0; r == 0 && i < disk->n_lower; i++) {
    json_object *node = json_find (qmp_survey_nodes (survey), "node-name",
                                   disk->lower[i].node);
    const char *filename = json_get_string (node, "file");

    if (filename != NULL)
      r = check (survey, filename, why);
  }
  return r;
}
