/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Of all that libvirt says of a domain only its disks are of interest, how they are called and what
 * they are; the rest is passed over, as it grows with each of libvirt's versions. */
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
  g_free (disk->format);
  g_free (disk->unfit);
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

/* As libvirt takes it, which looks into no image. */
static char *
read_format (const xml_node *node)
{
  char *format = xml_attribute (xml_child (node, "driver"), "type");

  return format != NULL ? format : g_strdup ("raw");
}

static bool
has (const xml_node *node, const char *name)
{
  return xml_child (node, name) != NULL;
}

/* Its image cannot be had by its path. */
static char *
why_elsewhere (const xml_node *node, const char *type)
{
  const xml_node *source = xml_child (node, "source");
  g_autofree char *protocol = xml_attribute (source, "protocol");
  g_autofree char *pool = xml_attribute (source, "pool");

  if (strcmp (type, "network") == 0)
    return g_strdup_printf ("network storage (%s)",
                            protocol == NULL ? "?" : protocol);
  if (strcmp (type, "volume") == 0)
    return g_strdup_printf ("a volume of libvirt's storage pool %s",
                            pool == NULL ? "?" : pool);
  return g_strdup_printf ("of the type %s", type);
}

/* The words for what backups leave out as well are theirs (rule N7). */
static char *
read_unfit (const xml_node *node)
{
  const xml_node *source = xml_child (node, "source");
  g_autofree char *type = xml_attribute (node, "type");
  g_autofree char *device = xml_attribute (node, "device");
  g_autofree char *path = NULL;
  bool block = g_strcmp0 (type, "block") == 0;

  if (g_strcmp0 (device, "lun") == 0)
    return g_strdup ("passed through (the guest writes to it unseen)");
  if (type != NULL && strcmp (type, "file") != 0 && !block)
    return why_elsewhere (node, type);
  path = xml_attribute (source, block ? "dev" : "file");
  if (path == NULL || path[0] == '\0')
    return g_strdup ("empty");
  if (has (node, "readonly") || g_strcmp0 (device, "cdrom") == 0)
    return g_strdup ("read-only");
  if (g_strcmp0 (device, "floppy") == 0)
    return g_strdup ("a floppy");
  if (has (node, "shareable"))
    return g_strdup ("shareable (another virtual machine may write to it "
                     "unseen)");
  if (has (node, "encryption") || has (source, "encryption"))
    return g_strdup ("encrypted by QEMU");
  if (has (source, "slices"))
    return g_strdup ("a part of its image alone");
  return path[0] == '/' ? NULL : g_strdup ("not given by an absolute path");
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
  disk->format = read_format (node);
  disk->unfit = read_unfit (node);
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
