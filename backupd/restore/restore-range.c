/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The catalogs are their domains', and are read as they are on disk: each file of them is
 * whole, and what a deletion leaves is marked before anything goes (rules C5, C6).  The image
 * is locked, so that no QEMU changes its bitmaps meanwhile. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "catalog.h"
#include "file-identity.h"
#include "log.h"
#include "qmp-image.h"
#include "restore-range.h"
#include "restore.h"

/* What is looked for, and how far that has come. */
struct search {
  const char *name;             /* of the checkpoint */
  const char *path, *stamp;     /* of the image, as qmp-image.h has them */
  const struct restore_target *target;
  char *domain, *disk;          /* the image is of; NULL: not found */
  char *twice;                  /* another domain that says so; NULL */
  char *other;                  /* a domain that has the checkpoint, of another image; NULL */
  struct failure unread;        /* why a catalog could not be read */
};

void
restore_range_free (struct restore_range *range)
{
  if (range == NULL)
    return;
  g_ptr_array_unref (range->bitmaps);
  g_free (range->domain);
  g_free (range->disk);
  g_free (range);
}

/* --- whose it is ---------------------------------------------------------------- */

static bool
is_image (const struct search *search, const struct checkpoint_disk *entry)
{
  return entry->source != NULL &&
         qmp_image_is_stamped (entry->source, search->stamp, search->path);
}

static void
look (struct search *search, const char *domain, const struct checkpoint *c)
{
  size_t i = 0;

  while (i < c->n_disks && !is_image (search, &c->disks[i]))
    i++;
  if (i == c->n_disks) {
    g_free (search->other);
    search->other = g_strdup (domain);
  } else if (search->domain != NULL) {
    g_free (search->twice);
    search->twice = g_strdup (domain);
  } else {
    search->domain = g_strdup (domain);
    search->disk = g_strdup (c->disks[i].name);
  }
}

static int
read_catalog (const char *state, const char *domain, struct catalog **catalog,
              struct failure *why)
{
  g_autofree char *folder = g_build_filename (state, domain, "checkpoints",
                                              NULL);

  return catalog_read (folder, catalog, why);
}

static int
look_everywhere (const char *state, struct search *search, struct failure *why)
{
  g_autoptr (GDir) dir = g_dir_open (state, 0, NULL);
  const char *domain;

  if (dir == NULL)
    return failure_set (why, FAILURE_STORAGE, EIO, "the folder %s cannot be "
                        "read", state);
  while ((domain = g_dir_read_name (dir)) != NULL) {
    struct catalog *catalog = NULL;
    const struct checkpoint *c;
    struct failure unread = { .error = 0 };
    int r = domain[0] == '.' ? -ENOENT
            : read_catalog (state, domain, &catalog, &unread);

    if (r < 0 && r != -ENOENT && r != -ENOTDIR)
      search->unread = unread;
    c = r < 0 ? NULL : catalog_find (catalog, search->name);
    if (c != NULL)
      look (search, domain, c);
    catalog_close (catalog);
  }
  return 0;
}

static int
judge (const struct search *search, struct failure *why)
{
  if (search->twice != NULL)
    return failure_set (why, FAILURE_CHAIN, EEXIST, "both %s and %s have a "
                        "checkpoint %s of it", search->domain, search->twice,
                        search->name);
  if (search->domain != NULL)
    return 0;
  if (search->unread.error != 0) {
    *why = search->unread;
    return -why->error;
  }
  if (search->other != NULL)
    return failure_set (why, FAILURE_CHECKPOINT_NOT_FOUND, ENOENT, "the "
                        "checkpoint %s (of %s) was not made of %s, but of other "
                        "images: checkpoint-list and checkpoint-dumpxml tell "
                        "of which", search->name, search->other, search->path);
  return failure_set (why, FAILURE_CHECKPOINT_NOT_FOUND, ENOENT, "no domain has "
                      "a checkpoint %s; see checkpoint-list DOMAIN",
                      search->name);
}

/* --- the range ---------------------------------------------------------------------- */

/* Why C, which covers the image, ends the range from FIRST; NULL: it does not. */
static char *
find_gap (const struct search *search, const struct checkpoint *c,
          const struct checkpoint *first)
{
  const struct checkpoint_disk *entry = catalog_checkpoint_disk (c,
                                                                 search->disk);

  if (c == first && c->state != CHECKPOINT_COMMITTED)
    return g_strdup_printf ("checkpoint %s is %s", c->name,
                            catalog_checkpoint_state (c->state));
  if (strcmp (c->domain_uuid, first->domain_uuid) != 0)
    return g_strdup_printf ("checkpoint %s was made in another virtual "
                            "machine", c->name);
  if (entry->lost != NULL)
    return g_strdup_printf ("the bitmap of checkpoint %s is lost: %s", c->name,
                            entry->lost);
  if (!is_image (search, entry))
    return g_strdup_printf ("checkpoint %s was made of another image", c->name);
  if (entry->size > restore_target_size (search->target))
    return g_strdup_printf ("the disk was larger when checkpoint %s was made",
                            c->name);
  return c != first && entry->gap_before
         ? g_strdup_printf ("nothing recorded what was written before "
                            "checkpoint %s", c->name) : NULL;
}

/* No bitmap of the image has seen that (rule R11). */
static char *
find_restored_below (const struct search *search)
{
  const struct restore_target *target = search->target;

  for (size_t i = 0; i < restore_target_n_backing (target); i++) {
    int fd = restore_target_backing_fd (target, i);
    g_autofree char *link = g_strdup_printf ("/proc/self/fd/%d", fd);
    g_autofree char *path = g_file_read_link (link, NULL);
    char identity[FILE_IDENTITY_SIZE];
    struct stat st;

    if (fstat (fd, &st) < 0 || path == NULL)
      return g_strdup ("a backing file cannot be looked at");
    file_identity_text (&st, identity);
    if (restore_was_after (identity, path, search->domain, search->name))
      return g_strdup_printf ("its backing file %s was restored since", path);
  }
  return NULL;
}

/* All that cover the image, from the one on that is looked for (rule C1). */
static char *
walk (const struct search *search, const struct catalog *catalog,
      struct restore_range *range)
{
  const struct checkpoint *first = catalog_find (catalog, search->name);
  bool inside = false;

  for (size_t i = 0; i < catalog_count (catalog); i++) {
    const struct checkpoint *c = catalog_at (catalog, i);
    const struct checkpoint_disk *entry =
      catalog_checkpoint_disk (c, search->disk);
    char *gap;

    inside = inside || c == first;
    if (!inside || entry == NULL)
      continue;
    gap = find_gap (search, c, first);
    if (gap != NULL)
      return gap;
    if (c == first)
      range->oldest_size = entry->size;
    g_ptr_array_add (range->bitmaps, g_strdup (entry->bitmap));
  }
  g_ptr_array_add (range->bitmaps, NULL);
  return find_restored_below (search);
}

static int
fill (const char *state, const struct search *search,
      struct restore_range **ret, struct failure *why)
{
  struct catalog *catalog = NULL;
  struct restore_range *range;
  g_autofree char *gap = NULL;
  int r = read_catalog (state, search->domain, &catalog, why);

  if (r < 0)
    return r;
  range = g_new0 (struct restore_range, 1);
  range->bitmaps = g_ptr_array_new_with_free_func (g_free);
  range->domain = g_strdup (search->domain);
  range->disk = g_strdup (search->disk);
  gap = catalog_find (catalog, search->name) == NULL
        ? g_strdup ("the checkpoint was deleted just now")
        : walk (search, catalog, range);
  catalog_close (catalog);
  if (gap != NULL) {
    restore_range_free (range);
    return failure_set (why, FAILURE_CHAIN, ESTALE, "%s", gap);
  }
  *ret = range;
  return 0;
}

int
restore_range_find (const char *state, const char *name,
                    const struct restore_target *target,
                    struct restore_range **range, struct failure *why)
{
  g_autofree char *fd = g_strdup_printf ("/proc/self/fd/%d",
                                         restore_target_lock_fd (target));
  g_autofree char *stamp = NULL;
  struct search search = { .name = name, .target = target,
                           .path = restore_target_path (target) };
  struct stat st;
  int r;

  if (stat (fd, &st) < 0)
    return failure_set (why, FAILURE_STORAGE, errno, "%s cannot be looked at: "
                        "%s", search.path, g_strerror (errno));
  search.stamp = stamp = qmp_image_stamp (fd, &st);
  r = look_everywhere (state, &search, why);
  if (r == 0)
    r = judge (&search, why);
  if (r == 0)
    r = fill (state, &search, range, why);
  g_free (search.domain);
  g_free (search.disk);
  g_free (search.twice);
  g_free (search.other);
  return r;
}
