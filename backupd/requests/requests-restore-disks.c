/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A disk that is named and cannot be is refused, one that is not is left out: as with backups. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "json-members.h"
#include "requests-restore-disks.h"

/* By its name, or by the path of its image, as libvirt's documents may have it. */
static const struct xml_domain_disk *
find_disk (const struct xml_domain *xml, const char *name, size_t length)
{
  for (guint i = 0; i < xml->disks->len; i++) {
    const struct xml_domain_disk *disk = g_ptr_array_index (xml->disks, i);
    const char *known = name[0] == '/' ? disk->source : disk->target;

    if (known != NULL && strlen (known) == length &&
        strncmp (known, name, length) == 0)
      return disk;
  }
  return NULL;
}

static void
add (GArray *disks, const struct xml_domain_disk *disk, const char *more)
{
  const struct requests_restore_disk one = { .disk = disk, .more = more };

  g_array_append_val (disks, one);
}

static int
add_named (const char *name, const struct xml_domain *xml, const char *spec,
           GArray *disks, struct failure *why)
{
  const char *more = NULL;
  size_t length = control_disk_split (spec, &more);
  const struct xml_domain_disk *disk = find_disk (xml, spec, length);

  if (disk == NULL)
    return failure_set (why, FAILURE_DISK_NOT_FOUND, ENOENT, "the domain %s "
                        "has no disk %.*s", name, (int) length, spec);
  if (disk->unfit != NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the disk %s of the "
                        "domain %s is %s, and not restored", disk->target, name,
                        disk->unfit);
  for (guint i = 0; i < disks->len; i++)
    if (g_array_index (disks, struct requests_restore_disk, i).disk == disk)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the disk %s is "
                          "given twice", disk->target);
  add (disks, disk, more);
  return 0;
}

static void
add_all (const struct xml_domain *xml, GArray *disks, json_object *skipped)
{
  for (guint i = 0; i < xml->disks->len; i++) {
    const struct xml_domain_disk *disk = g_ptr_array_index (xml->disks, i);
    json_object *one;

    if (disk->unfit == NULL) {
      add (disks, disk, NULL);
      continue;
    }
    one = json_with ("name", disk->target);
    json_add_string (one, "reason", disk->unfit);
    json_object_array_add (skipped, one);
  }
}

int
requests_restore_choose (const char *name, const struct xml_domain *xml,
                         const struct arguments_restore_begin *given,
                         GArray **disks, json_object **skipped,
                         struct failure *why)
{
  GArray *chosen = g_array_new (FALSE, FALSE,
                                sizeof (struct requests_restore_disk));
  int r = 0;

  for (size_t i = 0; r == 0 && i < given->disks.n; i++)
    r = add_named (name, xml, control_list_at (&given->disks, i), chosen, why);
  if (r < 0) {
    g_array_unref (chosen);
    return r;
  }
  *skipped = json_object_new_array ();
  if (given->disks.n == 0)
    add_all (xml, chosen, *skipped);
  *disks = chosen;
  return 0;
}
