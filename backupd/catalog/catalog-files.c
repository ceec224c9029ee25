/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A checkpoint is one file, so that what is done to one leaves the others as they
 * are whatever happens in between, and a person can read and copy it. */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "catalog-private.h"
#include "catalog-document.h"
#include "file.h"
#include "xml-input.h"

static char *
file_path (const struct catalog *catalog, const char *name)
{
  return g_strdup_printf ("%s/%s.xml", catalog->folder, name);
}

static int
load_file (struct catalog *catalog, const char *name, struct failure *why)
{
  g_autofree char *path = file_path (catalog, name);
  CLEANUP_FREE char *text = NULL;
  struct checkpoint *c;
  size_t length;
  int r = file_read (path, XML_INPUT_MAX, &text, &length);

  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r,
                        "cannot read checkpoint file %s: %s", path,
                        strerror (-r));
  r = catalog_document_parse_stored (text, length, path, &c, why);
  if (r < 0)
    return r;
  if (strcmp (c->name, name) != 0)
    r = failure_set (why, FAILURE_STORAGE, EINVAL,
                     "checkpoint file %s is of a checkpoint called %s", path,
                     c->name);
  g_ptr_array_add (catalog->list, c);
  return r;
}

int
catalog_load (struct catalog *catalog, bool tidy, struct failure *why)
{
  DIR *folder = opendir (catalog->folder);
  struct dirent *entry;
  int r = 0;

  if (folder == NULL)
    return failure_set (why, FAILURE_STORAGE, errno,
                        "cannot open the checkpoint folder %s: %s",
                        catalog->folder, strerror (errno));
  while (r == 0 && (entry = readdir (folder)) != NULL) {
    g_autofree char *name = g_strdup (entry->d_name);
    size_t length = strlen (name);

    /* What a crash left of file_replace. */
    if (tidy && length > 8 && strcmp (name + length - 8, ".xml.tmp") == 0)
      unlinkat (dirfd (folder), name, 0);
    else if (length > 4 && strcmp (name + length - 4, ".xml") == 0) {
      name[length - 4] = '\0';
      r = load_file (catalog, name, why);
    }
  }
  closedir (folder);
  return r;
}

/* One file that cannot be read makes all checkpoints unusable: none is written. */
static int
check_readable (const struct checkpoint *c, const char *text,
                const char *path, struct failure *why)
{
  struct failure fault = { .error = 0 };
  struct checkpoint *again;
  int r = catalog_document_parse_stored (text, strlen (text), path, &again,
                                         &fault);

  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r,
                        "checkpoint %s is not stored, because its file could "
                        "not be read again: %s", c->name, fault.text);
  catalog_checkpoint_destroy (again);
  return 0;
}

int
catalog_store (const struct catalog *catalog, const struct checkpoint *c,
               struct failure *why)
{
  g_autofree char *path = file_path (catalog, c->name);
  g_autofree char *text =
    catalog_document_format (CATALOG_DOCUMENT_STORED, c, NULL);
  int r = check_readable (c, text, path, why);

  if (r < 0)
    return r;
  r = catalog_checkpoint_is_utf8 (c)
      ? file_replace (path, text, strlen (text)) : -EINVAL;
  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r,
                        "cannot write checkpoint file %s: %s", path,
                        strerror (-r));
  return 0;
}

int
catalog_unlink (const struct catalog *catalog, const char *name,
                struct failure *why)
{
  g_autofree char *path = file_path (catalog, name);
  int r = file_remove (path);

  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r,
                        "cannot remove checkpoint file %s: %s", path,
                        strerror (-r));
  return 0;
}
