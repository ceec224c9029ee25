/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which disks backup-begin means and how, from its options and from libvirt's
 * <domainbackup> and <domaincheckpoint>.  The domain's thread. */
#ifndef PULLBACK_DOMAIN_BEGIN_H
#define PULLBACK_DOMAIN_BEGIN_H

#include "domain.h"

/* What backup_options borrows until backup_begin has returned. */
struct domain_begin;

struct domain_begin *domain_begin_create (struct domain *domain);
void domain_begin_destroy (struct domain_begin *begin);

/* Adds what ARGUMENTS say of disks, names, server and checkpoint to OPTIONS,
 * which have the rest.  Connected. */
int domain_begin_read (struct domain_begin *begin, json_object *arguments,
                       struct backup_options *options, struct failure *why) WARN_UNUSED;

#endif
