/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The folders a domain needs; see FILES in pullback-backupd.pod. */
#ifndef PULLBACK_DOMAIN_FOLDERS_H
#define PULLBACK_DOMAIN_FOLDERS_H

#include "domain.h"

/* STATE/DOMAIN, for the registration and the catalog. */
int domain_folders_state (struct domain *domain, struct failure *why) WARN_UNUSED;

/* RUNTIME/DOMAIN, given to QEMU's user, RUNTIME/.maps/DOMAIN and
 * SCRATCH/DOMAIN, which is refused if it is another daemon's.  Connected. */
int domain_folders_backup (struct domain *domain, struct failure *why) WARN_UNUSED;

/* Do our socket paths fit into a socket address? */
int domain_folders_check (const struct domain *domain, struct failure *why) WARN_UNUSED;

/* Removes the domain's folders where they are empty. */
void domain_folders_remove (struct domain *domain);

#endif
