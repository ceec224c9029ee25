/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the disks of a machine are libvirt's definition says, as the guest does not write there.
 * libvirt goes on to have the machine: a start of it meets QEMU's locks. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "domain.h"
#include "json-members.h"
#include "libvirt-definition.h"
#include "requests-restore-domain.h"

/* For libvirt to say what it has; QEMU is not asked. */
#define LIBVIRT_MS 10000

static int
read_definition (const struct domain *domain,
                 struct libvirt_definition *definition, struct failure *why)
{
  const struct domain_registration *registration = domain->registration;
  const char *which = registration->libvirt_uuid != NULL
                      ? registration->libvirt_uuid
                      : registration->libvirt_domain;
  int r = libvirt_definition_read (registration->libvirt_uri, which, LIBVIRT_MS,
                                   definition, why);

  if (r == -ENOENT)
    return failure_set (why, FAILURE_DOMAIN_NOT_FOUND, ENOENT, "libvirt at %s "
                        "has the virtual machine of the domain %s no more: "
                        "restore its images, by --image, and define it again",
                        registration->libvirt_uri, domain_name (domain));
  return r;
}

static int
check_off (const struct domain *domain,
           const struct libvirt_definition *definition, struct failure *why)
{
  if (definition->active)
    return failure_set (why, FAILURE_BUSY, EBUSY, "the virtual machine %s is %s: "
                        "shut it down (virsh shutdown %s)", definition->name,
                        definition->state, definition->name);
  /* It would go on with what it knew of the disks as they were. */
  if (definition->saved)
    return failure_set (why, FAILURE_BUSY, EBUSY, "libvirt has saved the memory "
                        "of %s, which does not fit to disks that are restored: "
                        "drop it by virsh managedsave-remove %s",
                        definition->name, definition->name);
  return 0;
}

/* --- which disks ------------------------------------------------------------------- */

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
add (GArray *disks, const struct xml_domain_disk *disk)
{
  const struct restore_disk one = {
    .name = disk->target, .path = disk->source, .format = disk->format
  };

  g_array_append_val (disks, one);
}

static int
add_named (const struct domain *domain, const struct xml_domain *xml,
           const char *spec, GArray *disks, struct failure *why)
{
  const char *node = NULL;
  size_t length = control_disk_split (spec, &node);
  const struct xml_domain_disk *disk = find_disk (xml, spec, length);
  const char *name = domain_name (domain);

  if (node != NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--disk %s: the "
                        "domain %s is off, and has no block nodes: say --disk "
                        "%.*s", spec, name, (int) length, spec);
  if (disk == NULL)
    return failure_set (why, FAILURE_DISK_NOT_FOUND, ENOENT, "the domain %s has "
                        "no disk %s", name, spec);
  if (disk->unfit != NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the disk %s of the "
                        "domain %s is %s, and not restored", spec, name,
                        disk->unfit);
  for (guint i = 0; i < disks->len; i++)
    if (strcmp (g_array_index (disks, struct restore_disk, i).name,
                disk->target) == 0)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the disk %s is "
                          "there twice", spec);
  add (disks, disk);
  return 0;
}

/* All that can be, and in SKIPPED the others. */
static void
add_all (const struct xml_domain *xml, GArray *disks, json_object *skipped)
{
  for (guint i = 0; i < xml->disks->len; i++) {
    const struct xml_domain_disk *disk = g_ptr_array_index (xml->disks, i);
    json_object *one;

    if (disk->unfit == NULL) {
      add (disks, disk);
      continue;
    }
    one = json_with ("name", disk->target);
    json_add_string (one, "reason", disk->unfit);
    json_object_array_add (skipped, one);
  }
}

static int
begin (struct domain *domain, const struct arguments_restore_begin *given,
       const struct xml_domain *xml, json_object **result, struct failure *why)
{
  g_autoptr (GArray) disks = g_array_new (FALSE, FALSE,
                                          sizeof (struct restore_disk));
  CLEANUP_JSON json_object *skipped = json_object_new_array ();
  int r = 0;

  for (size_t i = 0; r == 0 && i < given->disks.n; i++)
    r = add_named (domain, xml, control_list_at (&given->disks, i), disks, why);
  if (given->disks.n == 0)
    add_all (xml, disks, skipped);
  if (r == 0)
    r = restore_begin (given, &(struct restore_disks) {
                         .disks = (struct restore_disk *) (void *) disks->data,
                         .n = disks->len }, result, why);
  if (r == 0 && json_length (skipped) > 0)
    json_object_object_add (*result, "skipped", json_object_get (skipped));
  return r;
}

int
requests_restore_off (struct domain *domain,
                      const struct arguments_restore_begin *given,
                      json_object **result, struct failure *why)
{
  struct libvirt_definition definition = { .name = NULL };
  struct xml_domain *xml = NULL;
  int r = read_definition (domain, &definition, why);

  if (r == 0)
    r = check_off (domain, &definition, why);
  if (r == 0)
    r = xml_domain_parse (definition.xml, &xml, why);
  if (r == 0)
    r = begin (domain, given, xml, result, why);
  xml_domain_destroy (xml);
  libvirt_definition_clear (&definition);
  return r;
}
