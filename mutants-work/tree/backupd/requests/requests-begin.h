/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What backup-begin means, from its options and from libvirt's
 * <domainbackup> and <domaincheckpoint>.  The domain's thread. */
#ifndef PULLBACK_REQUESTS_BEGIN_H
#define PULLBACK_REQUESTS_BEGIN_H

#include "control-commands.h"
#include "domain.h"

/* OPTIONS from what is GIVEN to backup-begin and from what the domain was registered
 * with; they have an owner then, which is nothing of GIVEN.  Connected. */
int requests_begin_read (struct domain *domain, const struct arguments_backup_begin *given,
                         struct backup_options *options, struct failure *why) WARN_UNUSED;

#endif
