/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* People who know virsh write it as they do there; it means what a <disk> of
 * <domaincheckpoint> does. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "catalog-diskspec.h"
#include "name.h"

/* The text up to the next single comma, with double ones made one. */
static char *
next_word (const char **at)
{
  GString *word = g_string_new (NULL);
  const char *p = *at;

  for (; *p != '\0'; p++) {
    if (*p == ',' && p[1] != ',')
      break;
    if (*p == ',')
      p++;
    g_string_append_c (word, *p);
  }
  *at = *p == ',' ? p + 1 : NULL;
  return g_string_free (word, FALSE);
}

static int
bad_diskspec (const char *spec, const char *rule, struct failure *why)
{
  return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                      "diskspec '%.100s': %s", spec, rule);
}

static int
read_spec_word (const char *word, const char *spec,
                const struct checkpoint *c,
                struct checkpoint_disk *disk, struct failure *why)
{
  if (strcmp (word, "checkpoint=no") == 0)
    disk->left_out = true;
  else if (strcmp (word, "checkpoint=bitmap") == 0)
    disk->left_out = false;
  else if (g_str_has_prefix (word, "bitmap=")) {
    if (g_strcmp0 (word + strlen ("bitmap="), c->name) != 0)
      return bad_diskspec (spec, "the bitmap's name must be the "
                           "checkpoint's", why);
    g_free (disk->bitmap);
    disk->bitmap = g_strdup (c->name);
  } else
    return bad_diskspec (spec, "after the disk there may be checkpoint=no, "
                         "checkpoint=bitmap and bitmap=NAME", why);
  return 0;
}

int
catalog_diskspec_add (struct checkpoint *c, const char *spec,
                      struct failure *why)
{
  const char *at = spec;
  g_autofree char *name = next_word (&at);
  struct checkpoint_disk *disk;
  int r = 0;

  if (name[0] != '/' && !name_is_disk (name))
    return bad_diskspec (spec, "it must begin with a disk's name or the "
                         "absolute path of its source", why);
  if (catalog_checkpoint_disk (c, name) != NULL)
    return bad_diskspec (spec, "the disk is given twice", why);
  disk = catalog_checkpoint_add_disk (c, name);
  while (r == 0 && at != NULL) {
    g_autofree char *word = next_word (&at);

    r = read_spec_word (word, spec, c, disk, why);
  }
  c->has_disks = true;
  return r;
}
