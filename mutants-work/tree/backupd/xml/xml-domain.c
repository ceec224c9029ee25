/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Of all that libvirt says of a domain only how its disks are called is of interest; the
 * rest is passed over, as it grows with each of libvirt's versions. */
#include <config.h>

#include <string.h>

#include "name.h"
#include "xml-domain.h"
#include "xml-input.h"

static void
disk_free (gpointer data)
{
  struct xml_domain_disk *disk = data;

  g_free (disk->target);
  g_free (disk->source);
  g_free (disk->alias);
  g_free (disk);
}

void
xml_domain_destroy (struct xml_domain *domain)
{
  if (domain == NULL)
    return;
  g_ptr_array_unref (domain->disks);
  g_free (domain->name);
  g_free (domain->uuid);
  g_free (domain);
}

static bool
is_taken (const struct xml_domain *domain, const char *target)
{
  guint i;

  for (i = 0; i < domain->disks->len; i++) {
    const struct xml_domain_disk *disk =
      g_ptr_array_index (domain->disks, i);

    if (strcmp (disk->target, target) == 0)
      return true;
  }
  return false;
}

/* What the attribute is called depends on the disk's type. */
static char *
read_source (const xml_node *node)
{
  const xml_node *source = xml_child (node, "source");
  char *path = xml_attribute (source, "file");

  return path != NULL ? path : xml_attribute (source, "dev");
}

static int
read_disk (const xml_node *node, struct xml_domain *domain,
           struct failure *why)
{
  const xml_node *target = xml_child (node, "target");
  g_autofree char *name = xml_attribute (target, "dev");
  struct xml_domain_disk *disk;

  if (name == NULL)
    return 0;
  if (!name_is_disk (name))
    return xml_bad_value (target, "dev", name, "it is no disk name", why);
  if (is_taken (domain, name))
    return xml_bad_value (target, "dev", name, "the disk is there twice", why);
  disk = g_new0 (struct xml_domain_disk, 1);
  disk->target = g_steal_pointer (&name);
  disk->source = read_source (node);
  disk->alias = xml_attribute (xml_child (node, "alias"), "name");
  g_ptr_array_add (domain->disks, disk);
  return 0;
}

int
xml_domain_parse (const char *text, struct xml_domain **ret,
                  struct failure *why)
{
  struct xml_domain *domain;
  xml_document *document = NULL;
  const xml_node *root, *node;
  int r = xml_parse (text, strlen (text), "the domain XML", "domain",
                     &document, why);

  if (r < 0)
    return r;
  root = xml_document_root (document);
  domain = g_new0 (struct xml_domain, 1);
  domain->disks = g_ptr_array_new_with_free_func (disk_free);
  domain->name = xml_child_text (root, "name");
  domain->uuid = xml_child_text (root, "uuid");
  for (node = xml_child (xml_child (root, "devices"), "disk");
       r == 0 && node != NULL; node = xml_next (node))
    r = read_disk (node, domain, why);
  xml_document_free (document);
  if (r < 0)
    xml_domain_destroy (domain);
  else
    *ret = domain;
  return r;
}
