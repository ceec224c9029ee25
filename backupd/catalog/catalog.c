/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The catalog keeps all checkpoints in memory in chain order and one file
 * each on disk.  A file that is broken or whose parent is missing makes the
 * whole catalog unusable: leaving it out would make a delta that is too small
 * (rule C1), and that is the one thing that must not happen. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "catalog-private.h"
#include "file.h"
#include "name.h"

static ssize_t
find_index (const struct catalog *catalog, const char *name)
{
  for (size_t i = 0; i < catalog_count (catalog); i++)
    if (strcmp (catalog_at (catalog, i)->name, name) == 0)
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
  const char *parent = catalog_at (catalog, i)->parent;
  ssize_t at = parent == NULL ? -1 : find_index (catalog, parent);

  return parent == NULL || (at >= 0 && (size_t) at < placed);
}

/* Parents before children; among those that could be next, the oldest. */
static int
sort_list (struct catalog *catalog, struct failure *why)
{
  gpointer *list = catalog->list->pdata;
  size_t placed, i, n = catalog_count (catalog);

  for (placed = 0; placed < n; placed++) {
    const struct checkpoint *first = list[placed];
    size_t best = n;

    for (i = placed; i < n; i++)
      if (parent_is_placed (catalog, placed, i) &&
          (best == n || is_older (list[i], list[best])))
        best = i;
    if (best == n)
      return failure_set (why, FAILURE_CHAIN, EINVAL,
                          "checkpoint %s in %s names the parent %s, which is "
                          "not there or descends from it",
                          first->name, catalog->folder, first->parent);
    list[placed] = list[best];
    list[best] = (gpointer) first;
  }
  return 0;
}

/* --- the interface -------------------------------------------------- */

static int
load (const char *folder, bool tidy, struct catalog **catalog,
      struct failure *why)
{
  struct catalog *new = g_new0 (struct catalog, 1);
  int r;

  new->folder = g_strdup (folder);
  new->list = g_ptr_array_new_with_free_func (
    (GDestroyNotify) catalog_checkpoint_destroy);
  r = catalog_load (new, tidy, why);
  if (r == 0)
    r = sort_list (new, why);
  if (r < 0)
    catalog_close (new);
  else
    *catalog = new;
  return r;
}

int
catalog_open (const char *folder, struct catalog **catalog,
              struct failure *why)
{
  int r = file_make_folder (folder, 0700);

  return r == 0 ? load (folder, true, catalog, why)
         : failure_set (why, FAILURE_STORAGE, -r, "cannot create the checkpoint "
                        "folder %s: %s", folder, strerror (-r));
}

int
catalog_read (const char *folder, struct catalog **catalog,
              struct failure *why)
{
  return load (folder, false, catalog, why);
}

void
catalog_close (struct catalog *catalog)
{
  if (catalog == NULL)
    return;
  g_ptr_array_unref (catalog->list);
  g_free (catalog->folder);
  g_free (catalog);
}

size_t
catalog_count (const struct catalog *catalog)
{
  return catalog->list->len;
}

const struct checkpoint *
catalog_at (const struct catalog *catalog, size_t i)
{
  return i < catalog->list->len ? catalog->list->pdata[i] : NULL;
}

const struct checkpoint *
catalog_find (const struct catalog *catalog, const char *name)
{
  ssize_t i = find_index (catalog, name);

  return i < 0 ? NULL : catalog_at (catalog, (size_t) i);
}

const struct checkpoint *
catalog_newest (const struct catalog *catalog)
{
  /* No list is so long that there is one where there is none. */
  return catalog_at (catalog, catalog_count (catalog) - 1);
}

const struct checkpoint *
catalog_newest_of_disk (const struct catalog *catalog, const char *disk,
                        const struct checkpoint *before)
{
  ssize_t found = before == NULL ? -1 : find_index (catalog, before->name);
  size_t i = found < 0 ? catalog_count (catalog) : (size_t) found;

  while (i-- > 0)
    if (catalog_checkpoint_disk (catalog_at (catalog, i), disk) != NULL)
      return catalog_at (catalog, i);
  return NULL;
}

const struct checkpoint *
catalog_next_of_disk (const struct catalog *catalog, const char *disk,
                      const struct checkpoint *after)
{
  ssize_t found = find_index (catalog, after->name);
  size_t i;

  for (i = (size_t) (found + 1); found >= 0 && i < catalog_count (catalog); i++)
    if (catalog_checkpoint_disk (catalog_at (catalog, i), disk) != NULL)
      return catalog_at (catalog, i);
  return NULL;
}

/* A catalog has no cycles. */
bool
catalog_descends (const struct catalog *catalog, const struct checkpoint *c,
                  const struct checkpoint *ancestor)
{
  do
    c = c->parent == NULL ? NULL : catalog_find (catalog, c->parent);
  while (c != NULL && c != ancestor);
  return c != NULL;
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

/* Takes COPY over.  Those who hold a pointer to a checkpoint that is replaced see the
 * new one. */
static int
put_in_memory (struct catalog *catalog, struct checkpoint *copy, ssize_t at,
               catalog_check_fn check, void *opaque, struct failure *why)
{
  struct checkpoint *c = at < 0 ? copy : catalog->list->pdata[at];
  int r;

  if (at < 0)
    g_ptr_array_add (catalog->list, copy);
  else
    swap (c, copy);
  r = sort_list (catalog, why);
  if (r == 0 && check != NULL)
    r = check (catalog, c, opaque, why);
  if (r == 0)
    r = catalog_store (catalog, c, why);
  if (r < 0 && at >= 0)
    swap (c, copy);
  if (r < 0 && at < 0)
    g_ptr_array_remove (catalog->list, c);
  if (at >= 0)
    catalog_checkpoint_destroy (copy);
  if (r < 0)
    /* As before, hence no failure. */
    (void) sort_list (catalog, NULL);
  return r;
}

int
catalog_put (struct catalog *catalog, const struct checkpoint *c,
             catalog_check_fn check, void *opaque, struct failure *why)
{
  int r = check_names (catalog, c, why);

  return r < 0 ? r
         : put_in_memory (catalog, catalog_checkpoint_copy (c),
                          find_index (catalog, c->name), check, opaque, why);
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
    : (struct checkpoint_disk *) catalog_checkpoint_disk (c, disk);
  struct checkpoint_disk old;
  int r;

  if (entry == NULL)
    return failure_set (why, FAILURE_CHECKPOINT_NOT_FOUND, ENOENT,
                        "there is no checkpoint %s of disk %s", name, disk);
  old = *entry;
  if (entry->lost == NULL)
    entry->lost = g_strdup (lost);
  entry->gap_before = entry->gap_before || gap;
  if (entry->lost == old.lost && entry->gap_before == old.gap_before)
    return 0;
  r = catalog_store (catalog, c, why);
  if (r < 0) {
    if (entry->lost != old.lost)
      g_free (entry->lost);
    *entry = old;
  }
  return r;
}

int
catalog_set_state (struct catalog *catalog, const char *name,
                   enum checkpoint_state state, struct failure *why)
{
  struct checkpoint *c = (struct checkpoint *) catalog_find (catalog, name);
  enum checkpoint_state old;
  int r;

  if (c == NULL)
    return failure_set (why, FAILURE_CHECKPOINT_NOT_FOUND, ENOENT,
                        "there is no checkpoint %s", name);
  old = c->state;
  c->state = state;
  r = catalog_store (catalog, c, why);
  if (r < 0)
    c->state = old;
  return r;
}

/* Gives the children of C its parent, on disk too.  A crash in between leaves
 * C and some of its children as siblings, in the same order as before. */
static int
move_children (struct catalog *catalog, const struct checkpoint *c,
               struct failure *why)
{
  for (size_t i = 0; i < catalog_count (catalog); i++) {
    struct checkpoint *child = catalog->list->pdata[i];
    char *old = child->parent;
    int r;

    if (g_strcmp0 (old, c->name) != 0)
      continue;
    child->parent = g_strdup (c->parent);
    r = catalog_store (catalog, child, why);
    if (r < 0) {
      g_free (child->parent);
      child->parent = old;
      return r;
    }
    g_free (old);
  }
  return 0;
}

int
catalog_remove (struct catalog *catalog, const char *name,
                struct failure *why)
{
  const struct checkpoint *c = catalog_find (catalog, name);
  int r;

  if (c == NULL)
    return 0;
  r = move_children (catalog, c, why);
  if (r == 0)
    r = catalog_unlink (catalog, name, why);
  if (r == 0)
    g_ptr_array_remove (catalog->list, (gpointer) c);
  return r;
}
