/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One registered virtual machine.
 *
 * Each domain has a thread that owns its QMP session, its catalog and its
 * backup.  Others hand it one request at a time and wait for the answer; what
 * they may know without waiting is in a status copy under the lock.
 *
 * Threads: domain_run and the status functions from any thread. */
#ifndef PULLBACK_DOMAIN_H
#define PULLBACK_DOMAIN_H

#include <stdbool.h>

#include <json-c/json.h>

#include "domain-registration.h"
#include "domain-registry.h"
#include "failure.h"

struct domain;

/* REGISTRATION is taken over on success.  The thread is not started. */
struct domain *domain_create (const struct domain_folders *folders,
                              struct domain_registration *registration);
/* The thread must not run. */
void domain_destroy (struct domain *domain);

int domain_start (struct domain *domain, struct failure *why) WARN_UNUSED;
/* Asks the thread to abort the backup and end ... */
void domain_stop (struct domain *domain);
/* ... and waits for it. */
void domain_join (struct domain *domain);
/* After that: is there a backup that the next daemon must undo? */
bool domain_left_something (const struct domain *domain);

const char *domain_name (const struct domain *domain);
const char *domain_qmp_path (const struct domain *domain);

/* What a function does meanwhile to the domain's backup, for others: is its end
 * worth waiting for, and which state do they see? */
enum domain_doing {
  DOMAIN_QUICK,                 /* others wait for their turn, a little */
  DOMAIN_BEGINNING,             /* takes long; a backup is "beginning" */
  DOMAIN_ENDING                 /* takes long; the backup is "ending" */
};

/* Runs FUNCTION with OPAQUE in the domain's thread, and waits for what it returns.
 * FAILURE_BUSY where another takes long, in a sentence with that one's NAME. */
int domain_run (struct domain *domain, const char *name, enum domain_doing doing,
                int (*function) (struct domain *domain, void *opaque, struct failure *why),
                void *opaque, struct failure *why) WARN_UNUSED;

/* From the status copy, at once.  New objects.  No backup: NULL from
 * domain_backup, "none" as "backup" in the summary. */
json_object *domain_summary (struct domain *domain);
json_object *domain_backup (struct domain *domain);

/* Fails with FAILURE_BACKUP_NOT_FOUND and says how the last backup ended. */
int domain_no_backup (struct domain *domain, struct failure *why);

/* Fails with who holds the backup that runs.  The domain's thread only. */
int domain_busy (struct domain *domain, struct failure *why);

#endif
