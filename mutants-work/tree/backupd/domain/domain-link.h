/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The QMP session of a domain: opens, closes and tells how it is.  What becomes of a
 * backup whose QEMU is gone is for the caller.  The domain's thread only. */
#ifndef PULLBACK_DOMAIN_LINK_H
#define PULLBACK_DOMAIN_LINK_H

#include "domain.h"

enum domain_verdict {
  DOMAIN_ALIVE,                 /* there is a session */
  DOMAIN_MUTE,                  /* QEMU may run, but does not answer */
  DOMAIN_GONE                   /* there is no QEMU */
};

/* Connects if needed.  Not alive: WHY (which must be there) says more.  */
enum domain_verdict domain_link_open (struct domain *domain, struct failure *why) WARN_UNUSED;
void domain_link_close (struct domain *domain);

/* Reads events.  A session that is lost is closed; with a backup it is made anew if the
 * same QEMU answers, and else kept: MUTE, where that is to be asked for again, or
 * GONE, when the backup must end and the session be closed.  No session: GONE. */
enum domain_verdict domain_link_check (struct domain *domain) WARN_UNUSED;

#endif
