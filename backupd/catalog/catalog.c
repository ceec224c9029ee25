/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The catalog keeps all checkpoints in memory in chain order and one file
 * each on disk.  A file that is broken or whose parent is missing makes the
 * whole catalog unusable: leaving it out would make a delta that is too small
 * (rule C1), and that is the one thing that must not happen. */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "catalog.h"
#include "checkpoint-xml.h"
#include "export-names.h"
#include "full-io.h"

struct catalog {
  char *folder;
  struct checkpoint **list;     /* oldest first */
  size_t n;
};

static int
no_memory (struct failure *why)
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

static ssize_t
find_index (const struct catalog *catalog, const char *name)
{
  size_t i;

  for (i = 0; i < catalog->n; i++)
    if (strcmp (catalog->list[i]->name, name) == 0)
      return (ssize_t) i;
  return -1;
}

/* --- order ---------------------------------------------------------- */

static bool
is_older (const struct checkpoint *a, const struct checkpoint *b)
{
  if (a->creation_time != b->creation_time)
    return a->creation_time < b->creation_time;
  return strcmp (a->name, b->name) < 0;
}

/* Is I's parent among the first PLACED of the list? */
static bool
parent_is_placed (const struct catalog *catalog, size_t placed, size_t i)
{
  const char *parent = catalog->list[i]->parent;
  ssize_t at = parent == NULL ? -1 : find_index (catalog, parent);

  return parent == NULL || (at >= 0 && (size_t) at < placed);
}

/* Parents before children; among those that could be next, the oldest. */
static int
sort_list (struct catalog *catalog, struct failure *why)
{
  struct checkpoint **list = catalog->list;
  size_t placed, i;

  for (placed = 0; placed < catalog->n; placed++) {
    size_t best = catalog->n;
    struct checkpoint *c;

    for (i = placed; i < catalog->n; i++)
      if (parent_is_placed (catalog, placed, i) &&
          (best == catalog->n || is_older (list[i], list[best])))
        best = i;
    if (best == catalog->n)
      return failure_set (why, FAILURE_CHAIN, EINVAL,
                          "checkpoint %s in %s names the parent %s, which is "
                          "not there or descends from it",
                          list[placed]->name, catalog->folder,
                          list[placed]->parent);
    c = list[best];
    list[best] = list[placed];
    list[placed] = c;
  }
  return 0;
}

/* --- files ---------------------------------------------------------- */

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
static int
append (struct catalog *catalog, struct checkpoint *c, struct failure *why)
{
  struct checkpoint **list =
    realloc (catalog->list, (catalog->n + 1) * sizeof *list);

  if (list == NULL) {
    checkpoint_destroy (c);
    return no_memory (why);
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
  return append (catalog, c, why);
}

static int
load_folder (struct catalog *catalog, struct failure *why)
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

static int
store (const struct catalog *catalog, const struct checkpoint *c,
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

/* --- the interface -------------------------------------------------- */

int
catalog_open (const char *folder, struct catalog **catalog,
              struct failure *why)
{
  struct catalog *new;
  int r;

  if (mkdir (folder, 0700) < 0 && errno != EEXIST)
    return failure_set (why, FAILURE_STORAGE, errno,
                        "cannot create the checkpoint folder %s: %s", folder,
                        strerror (errno));
  new = calloc (1, sizeof *new);
  if (new == NULL)
    return no_memory (why);
  new->folder = strdup (folder);
  r = new->folder == NULL ? no_memory (why) : load_folder (new, why);
  if (r == 0)
    r = sort_list (new, why);
  if (r < 0)
    catalog_close (new);
  else
    *catalog = new;
  return r;
}

void
catalog_close (struct catalog *catalog)
{
  size_t i;

  if (catalog == NULL)
    return;
  for (i = 0; i < catalog->n; i++)
    checkpoint_destroy (catalog->list[i]);
  free (catalog->list);
  free (catalog->folder);
  free (catalog);
}

size_t
catalog_count (const struct catalog *catalog)
{
  return catalog->n;
}

const struct checkpoint *
catalog_at (const struct catalog *catalog, size_t i)
{
  return i < catalog->n ? catalog->list[i] : NULL;
}

const struct checkpoint *
catalog_find (const struct catalog *catalog, const char *name)
{
  ssize_t i = find_index (catalog, name);

  return i < 0 ? NULL : catalog->list[i];
}

const struct checkpoint *
catalog_newest (const struct catalog *catalog)
{
  return catalog->n == 0 ? NULL : catalog->list[catalog->n - 1];
}

const struct checkpoint *
catalog_newest_of_disk (const struct catalog *catalog, const char *disk,
                        const struct checkpoint *before)
{
  ssize_t found = before == NULL ? -1 : find_index (catalog, before->name);
  size_t i = found < 0 ? catalog->n : (size_t) found;

  while (i-- > 0)
    if (checkpoint_find_disk (catalog->list[i], disk) != NULL)
      return catalog->list[i];
  return NULL;
}

const struct checkpoint_disk *
checkpoint_find_disk (const struct checkpoint *c, const char *disk)
{
  size_t i;

  for (i = 0; i < c->n_disks; i++)
    if (strcmp (c->disks[i].name, disk) == 0)
      return &c->disks[i];
  return NULL;
}

static int
check_new (const struct catalog *catalog, const struct checkpoint *c,
           struct failure *why)
{
  if (c->name == NULL || !name_is_checkpoint (c->name))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "\"%.64s\" is not a usable name for a checkpoint",
                        c->name ? c->name : "");
  if (find_index (catalog, c->name) >= 0)
    return failure_set (why, FAILURE_EXISTS, EEXIST,
                        "there is a checkpoint called %s already", c->name);
  if (c->parent != NULL && find_index (catalog, c->parent) < 0)
    return failure_set (why, FAILURE_CHECKPOINT_NOT_FOUND, ENOENT,
                        "there is no checkpoint %s to be the parent of %s",
                        c->parent, c->name);
  return 0;
}

int
catalog_add (struct catalog *catalog, const struct checkpoint *c,
             struct failure *why)
{
  struct checkpoint *copy;
  int r = check_new (catalog, c, why);

  if (r < 0)
    return r;
  copy = checkpoint_copy (c);
  if (copy == NULL)
    return no_memory (why);
  r = append (catalog, copy, why);
  if (r < 0)
    return r;
  r = store (catalog, copy, why);
  if (r == 0)
    return sort_list (catalog, why);
  catalog->n--;
  checkpoint_destroy (copy);
  return r;
}

int
catalog_set_state (struct catalog *catalog, const char *name,
                   enum checkpoint_state state, struct failure *why)
{
  ssize_t i = find_index (catalog, name);
  enum checkpoint_state old;
  int r;

  if (i < 0)
    return failure_set (why, FAILURE_CHECKPOINT_NOT_FOUND, ENOENT,
                        "there is no checkpoint %s", name);
  old = catalog->list[i]->state;
  catalog->list[i]->state = state;
  r = store (catalog, catalog->list[i], why);
  if (r < 0)
    catalog->list[i]->state = old;
  return r;
}

/* Gives the children of C its parent, on disk too.  A crash in between leaves
 * C and some of its children as siblings, in the same order as before. */
static int
move_children (struct catalog *catalog, const struct checkpoint *c,
               struct failure *why)
{
  size_t i;

  for (i = 0; i < catalog->n; i++) {
    struct checkpoint *child = catalog->list[i];
    char *old = child->parent;
    int r;

    if (old == NULL || strcmp (old, c->name) != 0)
      continue;
    child->parent = c->parent == NULL ? NULL : strdup (c->parent);
    r = c->parent != NULL && child->parent == NULL
        ? no_memory (why) : store (catalog, child, why);
    if (r < 0) {
      free (child->parent);
      child->parent = old;
      return r;
    }
    free (old);
  }
  return 0;
}

int
catalog_remove (struct catalog *catalog, const char *name,
                struct failure *why)
{
  ssize_t i = find_index (catalog, name);
  struct checkpoint *c;
  char path[PATH_MAX];
  int r;

  if (i < 0)
    return 0;
  c = catalog->list[i];
  r = file_path (catalog, name, path, sizeof path, why);
  if (r == 0)
    r = move_children (catalog, c, why);
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
  catalog->n--;
  memmove (catalog->list + i, catalog->list + i + 1,
           (catalog->n - (size_t) i) * sizeof *catalog->list);
  checkpoint_destroy (c);
  return 0;
}
