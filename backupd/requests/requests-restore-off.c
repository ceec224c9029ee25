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
#include "requests-restore-disks.h"
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

bool
requests_restore_is_off (const struct domain *domain)
{
  struct libvirt_definition definition = { .name = NULL };
  struct failure why = { .error = 0 };
  bool off = read_definition (domain, &definition, &why) == 0 &&
             !definition.active;

  libvirt_definition_clear (&definition);
  return off;
}

/* --- beginning --------------------------------------------------------------------- */

static int
add (const struct domain *domain, const struct requests_restore_disk *chosen,
     GArray *disks, struct failure *why)
{
  const struct restore_disk one = {
    .name = chosen->disk->target, .path = chosen->disk->source,
    .format = chosen->disk->format
  };

  if (chosen->more != NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--disk %s=%s: the "
                        "domain %s is off, and has no block nodes: say --disk "
                        "%s", one.name, chosen->more, domain_name (domain),
                        one.name);
  g_array_append_val (disks, one);
  return 0;
}

static int
begin (struct domain *domain, const struct arguments_restore_begin *given,
       const struct xml_domain *xml, json_object **result, struct failure *why)
{
  g_autoptr (GArray) chosen = NULL, disks = NULL;
  CLEANUP_JSON json_object *skipped = NULL;
  int r = requests_restore_choose (domain_name (domain), xml, given, &chosen,
                                   &skipped, why);

  disks = g_array_new (FALSE, FALSE, sizeof (struct restore_disk));
  for (guint i = 0; r == 0 && i < chosen->len; i++)
    r = add (domain,
             &g_array_index (chosen, struct requests_restore_disk, i), disks,
             why);
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
