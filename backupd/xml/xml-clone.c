/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is changed is named here and in xml-clone-devices.c, all else stays: most of it is what the
 * guest must find again.  Where libvirt chooses by itself, it is let. */
#include <config.h>

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "name.h"
#include "xml-clone-private.h"
#include "xml-domain.h"

#define QEMU_NAMESPACE "http://libvirt.org/schemas/domain/qemu/1.0"

static void __attribute__ ((format (printf, 2, 3)))
note (GPtrArray *notes, const char *format, ...)
{
  va_list list;

  va_start (list, format);
  g_ptr_array_add (notes, g_strdup_vprintf (format, list));
  va_end (list);
}

/* --- the machine itself ---------------------------------------------------------- */

/* Its variables are a file of its own, which libvirt makes by the template where none is named. */
static void
clear_nvram (xml_node *os, GPtrArray *notes)
{
  xml_node *nvram = xml_edit_first (os, "nvram");

  if (nvram == NULL)
    return;
  xml_edit_text (nvram, NULL);
  xml_edit_attribute (nvram, "type", NULL);
  xml_edit_attribute (nvram, "format", NULL);
  if (xml_edit_is (nvram, "template", NULL))
    xml_edit_remove (nvram);
  note (notes, "its UEFI variables (boot entries, keys) are new ones, which "
        "libvirt makes when it is started");
}

/* libvirt refuses one where it is not the same as <uuid>. */
static void
set_smbios_uuid (xml_node *root, const char *uuid)
{
  for (xml_node *info = xml_edit_first (root, "sysinfo"); info != NULL;
       info = xml_edit_next (info, "sysinfo"))
    for (xml_node *entry = xml_edit_first (xml_edit_first (info, "system"),
                                           "entry");
         entry != NULL; entry = xml_edit_next (entry, "entry"))
      if (xml_edit_is (entry, "name", "uuid"))
        xml_edit_text (entry, uuid);
}

/* Those of a run are libvirt's choice. */
static void
clear_labels (xml_node *root)
{
  for (xml_node *label = xml_edit_first (root, "seclabel"); label != NULL;
       label = xml_edit_next (label, "seclabel"))
    if (!xml_edit_is (label, "type", "static")) {
      xml_edit_remove (xml_edit_first (label, "label"));
      xml_edit_remove (xml_edit_first (label, "imagelabel"));
    }
}

static void
clone_machine (xml_node *root, const struct xml_clone *wanted,
               GPtrArray *notes)
{
  xml_edit_attribute (root, "id", NULL);
  xml_edit_text (xml_edit_need (root, "name"), wanted->name);
  xml_edit_text (xml_edit_need (root, "uuid"), wanted->uuid);
  /* The guest is told by it that it has gone back in time. */
  xml_edit_text (xml_edit_first (root, "genid"), NULL);
  clear_nvram (xml_edit_first (root, "os"), notes);
  set_smbios_uuid (root, wanted->uuid);
  clear_labels (root);
  if (xml_child_in (root, "commandline", QEMU_NAMESPACE) != NULL)
    note (notes, "<qemu:commandline> stays as it is: see that it names no "
          "file or socket that another machine uses");
}

/* --- disks ------------------------------------------------------------------------ */

static void
set_image (xml_node *node, const struct xml_clone_disk *disk)
{
  static const char *const gone[] = { "source", "backingStore", "mirror",
                                      "auth", "encryption" };
  xml_node *driver = xml_edit_need (node, "driver");

  for (size_t i = 0; i < G_N_ELEMENTS (gone); i++)
    for (xml_node *old; (old = xml_edit_first (node, gone[i])) != NULL;)
      xml_edit_remove (old);
  xml_edit_attribute (node, "type", "file");
  xml_edit_attribute (xml_edit_need (node, "source"), "file", disk->path);
  xml_edit_attribute (driver, "name", "qemu");
  xml_edit_attribute (driver, "type", disk->format);
}

static const struct xml_clone_disk *
find_disk (const struct xml_clone *wanted, const char *target)
{
  for (size_t i = 0; i < wanted->n_disks; i++)
    if (g_strcmp0 (wanted->disks[i].target, target) == 0)
      return &wanted->disks[i];
  return NULL;
}

/* Nobody writes to it, so that two machines may have it. */
static bool
is_read_only (xml_node *node)
{
  return xml_edit_first (node, "readonly") != NULL ||
         xml_edit_is (node, "device", "cdrom");
}

static void
leave_out (xml_node *node, const char *target, GPtrArray *notes)
{
  if (xml_edit_is (node, "device", "floppy")) {
    xml_edit_remove (xml_edit_first (node, "source"));
    return;
  }
  note (notes, "the disk %s is left out of it",
        target == NULL ? "without a name" : target);
  xml_edit_remove (node);
}

static int
clone_disks (xml_node *devices, const struct xml_clone *wanted,
             GPtrArray *notes, struct failure *why)
{
  xml_node *node = xml_edit_first (devices, "disk"), *next;
  size_t found = 0;

  for (; node != NULL; node = next) {
    g_autofree char *target =
      xml_attribute (xml_edit_first (node, "target"), "dev");
    const struct xml_clone_disk *disk = find_disk (wanted, target);

    next = xml_edit_next (node, "disk");
    if (disk != NULL) {
      set_image (node, disk);
      found++;
    }
    else if (!is_read_only (node))
      leave_out (node, target, notes);
  }
  if (found == wanted->n_disks)
    return 0;
  return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the domain XML has "
                      "not all the disks that are restored");
}

/* --- all of it -------------------------------------------------------------------- */

static int
check (const char *text, const xml_node *root, struct failure *why)
{
  static const char *const once[] = { "name", "uuid", "genid", "os",
                                      "devices", NULL };
  struct xml_domain *domain = NULL;
  int r = xml_check_once (root, once, why);

  /* No disk is there twice. */
  if (r == 0)
    r = xml_domain_parse (text, &domain, why);
  if (r == 0)
    xml_domain_destroy (domain);
  return r;
}

int
xml_clone_make (const char *text, const struct xml_clone *wanted, char **xml,
                GPtrArray *notes, struct failure *why)
{
  xml_document *document = NULL;
  xml_node *root, *devices;
  int r = xml_parse (text, strlen (text), "the domain XML", "domain",
                     &document, why);

  if (r < 0)
    return r;
  root = xml_edit_root (document);
  devices = xml_edit_first (root, "devices");
  r = check (text, root, why);
  if (r == 0)
    r = clone_disks (devices, wanted, notes, why);
  if (r == 0) {
    clone_machine (root, wanted, notes);
    xml_clone_devices (devices, wanted, notes);
    *xml = xml_edit_print (document);
  }
  xml_document_free (document);
  return r;
}
