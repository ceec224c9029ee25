/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a domain's backup came to its end, and the ends nobody asked for.  The
 * domain's thread only. */
#ifndef PULLBACK_DOMAIN_ENDING_H
#define PULLBACK_DOMAIN_ENDING_H

#include "domain.h"

/* The outcome of a BACKUP that STATE ("aborted") is about to end; g_free. */
char *domain_outcome_of (const struct backup *backup, const char *state);

/* To be called every BACKUP_TICK_MS: sends events, and aborts an expired backup.
 * Where QEMU does not answer that is tried again at a later tick. */
void domain_backup_watch (struct domain *domain);

/* Tidies up a backup that is committed but still ending.  FAILURE_BUSY if that cannot be
 * yet. */
int domain_backup_finish (struct domain *domain, struct failure *why) WARN_UNUSED;

/* For who wants a domain without a backup: the same, and FAILURE_BUSY with who holds
 * the one that runs. */
int domain_backup_none (struct domain *domain, struct failure *why) WARN_UNUSED;

/* The daemon stops, and there is a backup: aborts it, or leaves it to the next daemon, with
 * domain->leaving where it can go on. */
void domain_backup_stop (struct domain *domain);

#endif
