/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All domains the daemon knows, and the commands about them.
 *
 * Threads: domain_registry_call from any; open and close from main. */
#ifndef PULLBACK_DOMAIN_REGISTRY_H
#define PULLBACK_DOMAIN_REGISTRY_H

#include <json-c/json.h>

#include "failure.h"

struct domain_registry;

/* The daemon's folders, absolute; see docs/architecture.md.  And the limits, in
 * seconds, of backups that are begun without (0: none). */
struct domain_folders {
  const char *runtime;
  const char *state;
  const char *scratch;
  const char *identity;         /* what tells this state folder from others */
  int default_ttl;
  int default_idle_timeout;
  int sink_limit_ms;            /* of a write to the scratch folder; 0: none */
  int sink_wait;                /* of guest writes for a lost sink; 0: none */
};

/* Loads STATE/DOMAIN/domain.json of every domain and starts their threads,
 * which first undo what a daemon that died has left.  A registration that
 * cannot be read is logged and left alone. */
int domain_registry_open (const struct domain_folders *folders,
                          struct domain_registry **registry,
                          struct failure *why) WARN_UNUSED;

/* Aborts every backup, waits for the threads (stop-clock.h says how long that may
 * take).  The number of domains with a backup that could not be ended and is left to
 * the next daemon. */
unsigned domain_registry_stop (struct domain_registry *registry);
/* After that; no call may be running. */
void domain_registry_close (struct domain_registry *registry);

/* Told of BACKUP_BROKEN, BACKUP_EXPIRED {"domain","reason"} and BACKUP_ENDED
 * {"domain","outcome"}, from the domains' threads; takes DATA over.  To be called
 * before domain_registry_open. */
void domain_set_event_handler (void (*handler) (const char *event,
                                                json_object *data));

/* Runs VERB, whose ARGUMENTS (borrowed, may be NULL) have passed
 * control_check_arguments.  *RESULT is a new object. */
int domain_registry_call (struct domain_registry *registry, const char *verb,
                          json_object *arguments, json_object **result,
                          struct failure *why) WARN_UNUSED;

#endif
