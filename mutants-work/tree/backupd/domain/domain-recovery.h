/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an earlier daemon, or an earlier command, has left: a backup to be undone, a
 * guest that may be frozen.  Whoever needs QEMU comes by here, so that it is
 * finished first.  The domain's thread only. */
#ifndef PULLBACK_DOMAIN_RECOVERY_H
#define PULLBACK_DOMAIN_RECOVERY_H

#include "domain.h"

/* Acts on what the link says: a backup whose QEMU has exited ends. */
void domain_look (struct domain *domain);

/* Connects if needed, and finishes a recovery that is due.  domain->backup may end
 * by it. */
int domain_connect (struct domain *domain, struct failure *why) WARN_UNUSED;

/* The first thing of the thread.  Where QEMU is there but does not answer, the journal
 * stays (domain->recovery_due). */
void domain_recovery_start (struct domain *domain);

/* What can be tried again, at its time; when the next is, in now_ms (). */
void domain_recovery_tick (struct domain *domain);
int64_t domain_recovery_at (const struct domain *domain);

/* For who forgets the domain: thaws a guest that may be frozen, in some seconds.
 * FAILURE_BUSY where its agent does not and QEMU has not exited. */
int domain_thaw (struct domain *domain, struct failure *why) WARN_UNUSED;

#endif
