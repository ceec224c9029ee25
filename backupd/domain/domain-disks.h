/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The disks of a domain by the names that people use: the targets of its
 * <domain> XML, the names domain-add was told, else QEMU's.  The domain's
 * thread, connected. */
#ifndef PULLBACK_DOMAIN_DISKS_H
#define PULLBACK_DOMAIN_DISKS_H

#include "domain.h"
#include "qmp-disk.h"

/* As checkpoint_disks_query, and what qmp_device_look says. */
int domain_disks_query (struct domain *domain, struct qmp_disks *disks,
                        struct failure *why) WARN_UNUSED;

/* The one disk called NAME, or whose source is the absolute path NAME.
 * Borrowed from DISKS.  FAILURE_DISK_NOT_FOUND; with BAD_ARGUMENT if several
 * are. */
int domain_disks_find (const struct domain *domain, const struct qmp_disks *disks,
                       const char *name, const struct qmp_disk **disk,
                       struct failure *why) WARN_UNUSED;

/* What people call the nodes of DISKS (from qmp_disks_query or domain_disks_query), by
 * domain-add and by its XML.  Borrows from DOMAIN; clear it afterwards. */
struct disk_names domain_disks_names (const struct domain *domain, const struct qmp_disks *disks);
void domain_disks_clear_names (struct disk_names *names);

#endif
