/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The QMP session and the catalog of a domain, opened when needed, and what
 * becomes of a backup when the session is lost.  The domain's thread only. */
#ifndef PULLBACK_DOMAIN_LINK_H
#define PULLBACK_DOMAIN_LINK_H

#include "domain-private.h"

/* Connects if needed.  Finishes a recovery that is due. */
int domain_link_open (struct domain *domain, struct failure *why) WARN_UNUSED;
void domain_link_close (struct domain *domain);

/* Reads events.  A lost session is closed; with a backup, it is made anew if
 * the same QEMU still answers, tried again later if QEMU at least lives, and
 * else the backup ends. */
void domain_link_dispatch (struct domain *domain);

int domain_catalog_open (struct domain *domain, struct failure *why) WARN_UNUSED;

/* While a recovery is due: where nobody serves the sink that QEMU may wait for,
 * starts one. */
void domain_keep_sink (struct domain *domain);

/* Undoes what an earlier daemon left, if anything.  Where QEMU is there but
 * does not answer, the journal stays (domain->recovery_due). */
int domain_recover (struct domain *domain, struct failure *why) WARN_UNUSED;

/* What an earlier daemon, or an earlier command, may have left frozen: is there
 * anything, and a try to thaw it, at most every DOMAIN_THAW_AGAIN_MS. */
bool domain_may_be_frozen (const struct domain *domain);
void domain_thaw_again (struct domain *domain);

#endif
