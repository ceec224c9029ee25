/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A name is what people give, a UUID is what the machine is.  Where a domain is added
 * again under a name whose checkpoints are still there, only the UUID tells whether
 * an incremental backup by them would be of the right disks. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "domain-disks.h"
#include "domain-identity.h"
#include "domain-libvirt.h"
#include "domain-link.h"
#include "qmp-peer.h"

/* A state folder that somebody left, or put there, has the checkpoints of
 * another machine. */
static int
check_checkpoints (const struct domain *domain, const char *uuid,
                   struct failure *why)
{
  struct catalog *catalog = NULL;
  size_t i;
  int r = 0;

  if (access (domain->paths.catalog, F_OK) < 0)
    return 0;
  r = catalog_open (domain->paths.catalog, &catalog, why);
  if (r < 0)
    return r;
  for (i = 0; r == 0 && i < catalog_count (catalog); i++) {
    const struct checkpoint *c = catalog_at (catalog, i);

    if (c->domain_uuid[0] != '\0' && strcmp (c->domain_uuid, uuid) != 0)
      r = failure_set (why, FAILURE_EXISTS, EEXIST,
                       "%s has %zu checkpoint%s of another virtual machine "
                       "(%s is of UUID %s, this one has %s): remove that "
                       "folder, or choose another name",
                       domain->paths.catalog, catalog_count (catalog),
                       catalog_count (catalog) == 1 ? "" : "s", c->name,
                       c->domain_uuid, uuid[0] == '\0' ? "none" : uuid);
  }
  catalog_close (catalog);
  return r;
}

/* A new domain never inherits. */
static int
check_machine (const struct domain *domain, struct failure *why)
{
  const struct xml_domain *xml = domain_xml (domain);
  char uuid[64];
  int r = qmp_uuid (domain->qmp, uuid, sizeof uuid, why);

  if (r < 0)
    return r;
  if (xml != NULL && xml->uuid != NULL && uuid[0] != '\0' &&
      g_ascii_strcasecmp (xml->uuid, uuid) != 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "domain/uuid of the XML is '%.64s', but QEMU at %s "
                        "has %s: it is another virtual machine's", xml->uuid,
                        domain_where (domain), uuid);
  return check_checkpoints (domain, uuid, why);
}

/* Is the disk there that domain-add was told of? */
static int
check_disk (const struct domain *domain, const struct qmp_disks *disks,
            const struct disk_choice *told, struct failure *why)
{
  const struct qmp_disk *found = NULL;
  int r = domain_disks_find (domain, disks, told->name, &found, why);

  if (r == 0 && told->node != NULL && strcmp (found->node, told->node) != 0)
    r = failure_set (why, FAILURE_DISK_NOT_FOUND, ENOENT,
                     "QEMU at %s has no block node '%s'",
                     domain_where (domain), told->node);
  return r;
}

int
domain_identity_check (struct domain *domain, struct failure *why)
{
  const struct domain_registration *registration = domain->registration;
  struct qmp_disks disks = { 0 };
  size_t i;
  int r;

  if (domain_link_open (domain, why) != DOMAIN_ALIVE)
    return domain_libvirt_is_off (domain) && registration->libvirt_uuid != NULL
           ? check_checkpoints (domain, registration->libvirt_uuid, why)
           : -why->error;
  r = qmp_check_needed (domain->qmp, why);
  if (r == 0)
    r = domain_disks_query (domain, &disks, why);
  for (i = 0; r == 0 && i < registration->n_disks; i++)
    r = check_disk (domain, &disks, &registration->disks[i], why);
  if (r == 0)
    r = check_machine (domain, why);
  qmp_disks_clear (&disks);
  domain_link_close (domain);
  return r;
}
