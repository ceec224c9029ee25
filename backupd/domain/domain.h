/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One registered virtual machine.
 *
 * Each domain has a thread that owns its QMP session, its catalog and its
 * backup.  Others hand it one request at a time and wait for the answer; what
 * they may know without waiting is in a status copy under the lock.
 *
 * Threads: domain_call and the status functions from any thread. */
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

/* Runs VERB in the domain's thread.  FAILURE_BUSY rather than waiting while
 * a backup command runs. */
int domain_call (struct domain *domain, const char *verb,
                 json_object *arguments, json_object **result,
                 struct failure *why) WARN_UNUSED;

/* From the status copy, at once.  New objects.  No backup: NULL from
 * domain_backup, "none" as "backup" in the summary. */
json_object *domain_summary (struct domain *domain);
json_object *domain_backup (struct domain *domain);

/* Fails with FAILURE_BACKUP_NOT_FOUND and says how the last backup ended. */
int domain_no_backup (struct domain *domain, struct failure *why);

#endif
