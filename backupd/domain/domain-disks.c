/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A disk has a name for each who knows it: QEMU's node and device, libvirt's target and
 * alias, what domain-add was told, and the path of its image.  Checkpoints keep a
 * name for years, so that which one counts must not depend on what happens to be
 * there: what was told comes first, then libvirt's target, then QEMU's. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "domain-disks.h"
#include "domain-libvirt.h"
#include "qmp-device.h"
#include "xml-domain.h"

/* --- the <domain> XML's names --------------------------------------- */

/* Is DISK's guest device the one libvirt gave this alias? */
static bool
has_alias (const struct qmp_disk *disk, const char *alias)
{
  g_autofree char *peripheral =
    g_strconcat ("/machine/peripheral/", alias, NULL);
  g_autofree char *drive = g_strconcat ("drive-", alias, NULL);
  size_t length = strlen (peripheral);

  if (strcmp (disk->qdev, alias) == 0 || strcmp (disk->device, drive) == 0)
    return true;
  return strncmp (disk->qdev, peripheral, length) == 0 &&
         (disk->qdev[length] == '\0' || disk->qdev[length] == '/');
}

static bool
is_match (const struct qmp_disk *disk, const struct xml_domain_disk *wanted,
          bool by_source)
{
  if (disk->node[0] == '\0')
    return false;
  if (by_source)
    return wanted->source != NULL &&
           g_strcmp0 (disk->filename, wanted->source) == 0;
  return wanted->alias != NULL && has_alias (disk, wanted->alias);
}

/* The one disk that is WANTED, by its source, else by its alias: an external
 * snapshot changes the source.  NULL: none, or not to be told. */
static const struct qmp_disk *
match (const struct qmp_disks *disks, const struct xml_domain_disk *wanted)
{
  int by_source;

  for (by_source = 1; by_source >= 0; by_source--) {
    const struct qmp_disk *found = NULL;
    size_t i, n = 0;

    for (i = 0; i < disks->n; i++)
      if (is_match (&disks->disks[i], wanted, by_source != 0)) {
        found = &disks->disks[i];
        n++;
      }
    if (n == 1)
      return found;
  }
  return NULL;
}

static struct disk_choice *
find_targets (const struct domain *domain, const struct qmp_disks *disks,
              size_t *n)
{
  const struct xml_domain *xml = domain_xml (domain);
  guint i, length = xml == NULL ? 0 : xml->disks->len;
  struct disk_choice *targets = g_new0 (struct disk_choice, length + 1);

  *n = 0;
  for (i = 0; i < length; i++) {
    const struct xml_domain_disk *wanted = g_ptr_array_index (xml->disks, i);
    const struct qmp_disk *disk = match (disks, wanted);

    if (disk != NULL)
      targets[(*n)++] = (struct disk_choice) {
        .name = g_strdup (wanted->target), .node = g_strdup (disk->node) };
  }
  return targets;
}

/* --- all names ------------------------------------------------------ */

struct disk_names
domain_disks_names (const struct domain *domain,
                    const struct qmp_disks *disks)
{
  const struct domain_registration *registration = domain->registration;
  struct disk_choice *told =
    g_new0 (struct disk_choice, registration->n_disks + 1);
  struct disk_names names = { .choices = told };
  size_t i;

  for (i = 0; i < registration->n_disks; i++)
    if (registration->disks[i].node != NULL)
      told[names.n++] = registration->disks[i];
  names.targets = find_targets (domain, disks, &names.n_targets);
  return names;
}

void
domain_disks_clear_names (struct disk_names *names)
{
  g_free ((struct disk_choice *) names->choices);
  domain_choices_free ((struct disk_choice *) names->targets, names->n_targets);
}

int
domain_disks_query (struct domain *domain, struct qmp_disks *disks,
                    struct failure *why)
{
  struct disk_names names;
  int r = domain_libvirt_describe (domain, why);

  if (r == 0)
    r = qmp_disks_query (domain->qmp, disks, why);
  if (r < 0)
    return r;
  names = domain_disks_names (domain, disks);
  r = checkpoint_disks_name (domain->qmp, &names, disks, why);
  domain_disks_clear_names (&names);
  if (r < 0)
    return r;
  r = qmp_device_look (domain->qmp, disks, why);
  if (r < 0)
    qmp_disks_clear (disks);
  return r;
}

/* --- finding one ---------------------------------------------------- */

/* "vda, vdb" of what is there, for the sentence about what is not. */
static char *
disk_names (const struct qmp_disks *disks)
{
  GString *names = g_string_new (NULL);
  size_t i;

  for (i = 0; i < disks->n && i < 16; i++)
    g_string_append_printf (names, "%s%s", i > 0 ? ", " : "",
                            disks->disks[i].name);
  if (disks->n == 0)
    g_string_append (names, "none");
  return g_string_free (names, FALSE);
}

/* The XML's target of the source PATH; NULL: none, or several. */
static const char *
target_of_source (const struct domain *domain, const char *path)
{
  const struct xml_domain *xml = domain_xml (domain);
  const char *found = NULL;
  guint i;

  for (i = 0; xml != NULL && i < xml->disks->len; i++) {
    const struct xml_domain_disk *disk = g_ptr_array_index (xml->disks, i);

    if (g_strcmp0 (disk->source, path) != 0)
      continue;
    if (found != NULL)
      return NULL;
    found = disk->target;
  }
  return found;
}

int
domain_disks_find (const struct domain *domain,
                   const struct qmp_disks *disks, const char *name,
                   const struct qmp_disk **disk, struct failure *why)
{
  const char *target = name[0] == '/' ? target_of_source (domain, name) : name;
  const struct qmp_disk *found = NULL;
  g_autofree char *names = NULL;
  size_t i, n = 0;

  for (i = 0; i < disks->n; i++)
    if (target != NULL ? g_strcmp0 (disks->disks[i].name, target) == 0
                       : g_strcmp0 (disks->disks[i].filename, name) == 0) {
      found = &disks->disks[i];
      n++;
    }
  if (n == 1) {
    *disk = found;
    return 0;
  }
  names = disk_names (disks);
  if (n > 1)
    return failure_set (why, FAILURE_BAD_ARGUMENT, ENOTUNIQ,
                        "%zu disks of %s are '%.200s': use a disk's name (it "
                        "has: %s)", n, domain->registration->name, name,
                        names);
  return failure_set (why, FAILURE_DISK_NOT_FOUND, ENOENT,
                      "the domain %s has no disk '%.200s' (it has: %s); name "
                      "a block node as NAME=NODE",
                      domain->registration->name, name, names);
}
