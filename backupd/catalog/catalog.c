/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The catalog keeps all checkpoints in memory in chain order and one file
 * each on disk.  A file that is broken or whose parent is missing makes the
 * whole catalog unusable: leaving it out would make a delta that is too small
 * (rule C1), and that is the one thing that must not happen. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "catalog-private.h"
#include "checkpoint-xml.h"
#include "name.h"

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
    return catalog_no_memory (why);
  new->folder = strdup (folder);
  r = new->folder == NULL ? catalog_no_memory (why) : catalog_load (new, why);
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

const struct checkpoint *
catalog_next_of_disk (const struct catalog *catalog, const char *disk,
                      const struct checkpoint *after)
{
  ssize_t found = find_index (catalog, after->name);
  size_t i;

  for (i = (size_t) (found + 1); found >= 0 && i < catalog->n; i++)
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
check_names (const struct catalog *catalog, const struct checkpoint *c,
             struct failure *why)
{
  if (c->name == NULL || !name_is_checkpoint (c->name))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "\"%.64s\" is not a usable name for a checkpoint",
                        c->name ? c->name : "");
  if (c->parent != NULL && find_index (catalog, c->parent) < 0)
    return failure_set (why, FAILURE_CHECKPOINT_NOT_FOUND, ENOENT,
                        "there is no checkpoint %s to be the parent of %s",
                        c->parent, c->name);
  return 0;
}

static void
swap (struct checkpoint *a, struct checkpoint *b)
{
  struct checkpoint c = *a;

  *a = *b;
  *b = c;
}

/* Those who hold a pointer to a checkpoint that is replaced see the new one. */
static int
put_in_memory (struct catalog *catalog, struct checkpoint *copy, ssize_t at,
               catalog_check_fn check, void *opaque, struct failure *why)
{
  struct checkpoint *c = at < 0 ? copy : catalog->list[at];
  int r;

  if (at < 0) {
    r = catalog_append (catalog, copy, why);
    if (r < 0)
      return r;
  } else
    swap (c, copy);
  r = sort_list (catalog, why);
  if (r == 0 && check != NULL)
    r = check (catalog, c, opaque, why);
  if (r == 0)
    r = catalog_store (catalog, c, why);
  if (r == 0) {
    if (at >= 0)
      checkpoint_destroy (copy);
    return 0;
  }
  if (at >= 0)
    swap (c, copy);
  else {
    at = find_index (catalog, c->name);
    catalog->n--;
    memmove (catalog->list + at, catalog->list + at + 1,
             (catalog->n - (size_t) at) * sizeof *catalog->list);
  }
  checkpoint_destroy (copy);
  /* As before, hence no failure. */
  (void) sort_list (catalog, NULL);
  return r;
}

int
catalog_put (struct catalog *catalog, const struct checkpoint *c,
             catalog_check_fn check, void *opaque, struct failure *why)
{
  struct checkpoint *copy;
  int r = check_names (catalog, c, why);

  if (r < 0)
    return r;
  copy = checkpoint_copy (c);
  if (copy == NULL)
    return catalog_no_memory (why);
  return put_in_memory (catalog, copy, find_index (catalog, c->name), check,
                        opaque, why);
}

int
catalog_add (struct catalog *catalog, const struct checkpoint *c,
             struct failure *why)
{
  if (c->name != NULL && find_index (catalog, c->name) >= 0)
    return failure_set (why, FAILURE_EXISTS, EEXIST,
                        "there is a checkpoint called %s already", c->name);
  return catalog_put (catalog, c, NULL, NULL, why);
}

int
catalog_mark_disk (struct catalog *catalog, const char *name,
                   const char *disk, bool gap, const char *lost,
                   struct failure *why)
{
  const struct checkpoint *c = catalog_find (catalog, name);
  struct checkpoint_disk *entry =
    c == NULL ? NULL
    : (struct checkpoint_disk *) checkpoint_find_disk (c, disk);
  struct checkpoint_disk old;
  int r;

  if (entry == NULL)
    return failure_set (why, FAILURE_CHECKPOINT_NOT_FOUND, ENOENT,
                        "there is no checkpoint %s of disk %s", name, disk);
  old = *entry;
  if (lost != NULL && entry->lost == NULL) {
    entry->lost = strdup (lost);
    if (entry->lost == NULL)
      return catalog_no_memory (why);
  }
  entry->gap_before = entry->gap_before || gap;
  if (entry->lost == old.lost && entry->gap_before == old.gap_before)
    return 0;
  r = catalog_store (catalog, c, why);
  if (r < 0) {
    if (entry->lost != old.lost)
      free (entry->lost);
    *entry = old;
  }
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
  r = catalog_store (catalog, catalog->list[i], why);
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
        ? catalog_no_memory (why) : catalog_store (catalog, child, why);
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
  int r;

  if (i < 0)
    return 0;
  c = catalog->list[i];
  r = move_children (catalog, c, why);
  if (r == 0)
    r = catalog_unlink (catalog, name, why);
  if (r < 0)
    return r;
  catalog->n--;
  memmove (catalog->list + i, catalog->list + i + 1,
           (catalog->n - (size_t) i) * sizeof *catalog->list);
  checkpoint_destroy (c);
  return 0;
}
