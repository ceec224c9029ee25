/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The catalog's folder: one file per checkpoint, replaced atomically. */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "catalog-private.h"
#include "checkpoint-xml.h"
#include "full-io.h"

int
catalog_no_memory (struct failure *why)
{
  return failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
}

static int
file_path (const struct catalog *catalog, const char *name, char *path,
           size_t size, struct failure *why)
{
  int n = snprintf (path, size, "%s/%s.xml", catalog->folder, name);

  if (n < 0 || (size_t) n >= size)
    return failure_set (why, FAILURE_STORAGE, ENAMETOOLONG,
                        "the path of folder %s is too long", catalog->folder);
  return 0;
}

static int
read_file (const char *path, char **text, size_t *length)
{
  CLEANUP_FD int fd =
    open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  struct stat st;
  int r;

  if (fd < 0 || fstat (fd, &st) < 0)
    return -errno;
  if (!S_ISREG (st.st_mode))
    return -EINVAL;
  if (st.st_size > CHECKPOINT_XML_MAX)
    return -EFBIG;
  *text = malloc ((size_t) st.st_size + 1);
  if (*text == NULL)
    return -ENOMEM;
  r = full_pread (fd, *text, (size_t) st.st_size, 0);
  if (r < 0) {
    free (*text);
    *text = NULL;
    return r;
  }
  *length = (size_t) st.st_size;
  return 0;
}

/* Takes C over, whatever happens. */
int
catalog_append (struct catalog *catalog, struct checkpoint *c,
                struct failure *why)
{
  struct checkpoint **list =
    realloc (catalog->list, (catalog->n + 1) * sizeof *list);

  if (list == NULL) {
    checkpoint_destroy (c);
    return catalog_no_memory (why);
  }
  catalog->list = list;
  list[catalog->n++] = c;
  return 0;
}

static int
load_file (struct catalog *catalog, const char *file, struct failure *why)
{
  char path[PATH_MAX];
  CLEANUP_FREE char *text = NULL;
  struct checkpoint *c = NULL;
  size_t length = 0, stem = strlen (file) - 4;
  int r;

  if ((size_t) snprintf (path, sizeof path, "%s/%s", catalog->folder, file) >=
      sizeof path)
    return failure_set (why, FAILURE_STORAGE, ENAMETOOLONG,
                        "the path of folder %s is too long", catalog->folder);
  r = read_file (path, &text, &length);
  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r,
                        "cannot read checkpoint file %s: %s", path,
                        strerror (-r));
  r = checkpoint_xml_parse (text, length, path, &c, why);
  if (r < 0)
    return r;
  if (strlen (c->name) != stem || strncmp (c->name, file, stem) != 0) {
    r = failure_set (why, FAILURE_STORAGE, EINVAL,
                     "checkpoint file %s is of a checkpoint called %s", path,
                     c->name);
    checkpoint_destroy (c);
    return r;
  }
  return catalog_append (catalog, c, why);
}

int
catalog_load (struct catalog *catalog, struct failure *why)
{
  DIR *folder = opendir (catalog->folder);
  struct dirent *entry;
  int r = 0;

  if (folder == NULL)
    return failure_set (why, FAILURE_STORAGE, errno,
                        "cannot open the checkpoint folder %s: %s",
                        catalog->folder, strerror (errno));
  while (r == 0 && (entry = readdir (folder)) != NULL) {
    size_t length = strlen (entry->d_name);

    /* What a crash left of file_replace. */
    if (length > 8 && strcmp (entry->d_name + length - 8, ".xml.tmp") == 0)
      unlinkat (dirfd (folder), entry->d_name, 0);
    else if (length > 4 && strcmp (entry->d_name + length - 4, ".xml") == 0)
      r = load_file (catalog, entry->d_name, why);
  }
  closedir (folder);
  return r;
}

int
catalog_store (const struct catalog *catalog, const struct checkpoint *c,
       struct failure *why)
{
  char path[PATH_MAX];
  CLEANUP_FREE char *text = NULL;
  size_t length = 0;
  int r = file_path (catalog, c->name, path, sizeof path, why);

  if (r < 0)
    return r;
  r = checkpoint_xml_format (c, &text, &length);
  if (r == 0)
    r = file_replace (path, text, length);
  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r,
                        "cannot write checkpoint file %s: %s", path,
                        strerror (-r));
  return 0;
}

static int
sync_folder (const struct catalog *catalog)
{
  CLEANUP_FD int fd =
    open (catalog->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  return fd < 0 || fsync (fd) < 0 ? -errno : 0;
}

int
catalog_unlink (const struct catalog *catalog, const char *name,
                struct failure *why)
{
  char path[PATH_MAX];
  int r = file_path (catalog, name, path, sizeof path, why);

  if (r < 0)
    return r;
  if (unlink (path) < 0 && errno != ENOENT)
    r = -errno;
  else
    r = sync_folder (catalog);
  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r,
                        "cannot remove checkpoint file %s: %s", path,
                        strerror (-r));
  return 0;
}
