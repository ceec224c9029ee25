/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What backup-begin means, from its options and from libvirt's
 * <domainbackup> and <domaincheckpoint>.  The domain's thread. */
#ifndef PULLBACK_DOMAIN_BEGIN_H
#define PULLBACK_DOMAIN_BEGIN_H

#include "domain.h"

/* OPTIONS from the ARGUMENTS of backup-begin and from what the domain was registered
 * with; they have an owner then, which is nothing of ARGUMENTS.  Connected. */
int domain_begin_read (struct domain *domain, json_object *arguments,
                       struct backup_options *options, struct failure *why) WARN_UNUSED;

#endif
