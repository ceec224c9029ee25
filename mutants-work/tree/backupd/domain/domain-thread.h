/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The thread of a domain, which owns its QMP session, its catalog and its backup.
 * Others hand it one function at a time and wait for that.
 *
 * Threads: domain_run and domain_stop from any; start and join from one. */
#ifndef PULLBACK_DOMAIN_THREAD_H
#define PULLBACK_DOMAIN_THREAD_H

#include "domain.h"

int domain_start (struct domain *domain, struct failure *why) WARN_UNUSED;
/* Asks the thread to abort the backup, or with LEAVE to let go of one that can go on without
 * it, and end ... */
void domain_stop (struct domain *domain, bool leave);
/* ... and waits for it. */
void domain_join (struct domain *domain);

/* Runs FUNCTION with OPAQUE in the domain's thread, and waits for what it returns.
 * FAILURE_BUSY where another takes long, in a sentence with that one's NAME. */
int domain_run (struct domain *domain, const char *name, enum domain_doing doing,
                int (*function) (struct domain *domain, void *opaque, struct failure *why),
                void *opaque, struct failure *why) WARN_UNUSED;

#endif
