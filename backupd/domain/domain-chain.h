/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The chain of a domain's checkpoints, opened for checkpoint.h.  The domain's thread
 * only. */
#ifndef PULLBACK_DOMAIN_CHAIN_H
#define PULLBACK_DOMAIN_CHAIN_H

#include "checkpoint.h"
#include "domain.h"

/* DOMAIN as checkpoint.h wants it; the catalog is open.  Clear it afterwards.  Fails where QEMU, or
 * libvirt, cannot tell which disks there are: by a wrong name a disk counts as unplugged. */
int domain_chain_get (struct domain *domain, struct checkpoint_domain *where,
                      struct failure *why) WARN_UNUSED;
/* For what needs the catalog alone. */
struct checkpoint_domain domain_chain_records (struct domain *domain);
void domain_chain_clear (struct checkpoint_domain *where);

/* For who looks at or changes the chain in QEMU: opens link and catalog.
 * FAILURE_BUSY while a backup runs. */
int domain_chain_open (struct domain *domain, struct failure *why) WARN_UNUSED;

/* The same, and settles what is half done. */
int domain_chain_settle (struct domain *domain, struct failure *why) WARN_UNUSED;

/* For who changes the catalog alone: domain->qmp is NULL where QEMU is gone.  A
 * backup that is to be undone yet needs the catalog as it is. */
int domain_chain_open_catalog (struct domain *domain, struct failure *why) WARN_UNUSED;

/* At start: settles what an earlier daemon left half done, if QEMU can be asked. */
void domain_chain_start (struct domain *domain);

#endif
