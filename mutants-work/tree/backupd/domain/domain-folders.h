/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The folders a domain needs; see FILES in pullback-backupd.pod. */
#ifndef PULLBACK_DOMAIN_FOLDERS_H
#define PULLBACK_DOMAIN_FOLDERS_H

#include <glib.h>

#include "backup.h"
#include "failure.h"

/* The daemon's folders, absolute.  And the limits, in seconds, of backups that are begun
 * without (0: none). */
struct domain_folders {
  const char *runtime;
  const char *state;
  const char *scratch;
  const char *identity;         /* what tells this state folder from others */
  int default_ttl;
  int default_idle_timeout;
  uint64_t scratch_limit;       /* bytes, of all backups together; 0: none */
  int sink_limit_ms;            /* of a write to the scratch folder; 0: none */
  uint64_t max_rate;            /* bytes per second of all backups; 0: any */
  uint64_t pace_floor;          /* what a guest that works leaves a pull */
  int sink_wait;                /* of guest writes for a lost sink; 0: none */
  struct backup_user gateway;
};

/* A domain's, in them. */
struct domain_paths {
  const char *state;            /* STATE/DOMAIN */
  const char *catalog;          /* STATE/DOMAIN/checkpoints */
  const char *registration;     /* STATE/DOMAIN/domain.json */
  const char *history;          /* STATE/DOMAIN/history */
  const char *owner;            /* of the scratch folder: whose daemon we are */
  struct backup_paths backup;
  GStringChunk *strings;        /* has all of them */
};

void domain_paths_init (struct domain_paths *paths, const struct domain_folders *folders,
                        const char *name);
void domain_paths_clear (struct domain_paths *paths);

/* STATE/DOMAIN, for the registration and the catalog. */
int domain_folders_state (const struct domain_paths *paths, struct failure *why) WARN_UNUSED;

/* RUNTIME/DOMAIN, given to the user of QEMU, RUNTIME/.maps/DOMAIN and
 * SCRATCH/DOMAIN, which is refused if it is another daemon's. */
int domain_folders_backup (const struct domain_paths *paths, struct qmp *qmp,
                           struct failure *why) WARN_UNUSED;

/* Do our socket paths fit into a socket address? */
int domain_folders_check (const struct domain_paths *paths, struct failure *why) WARN_UNUSED;

/* Removes the domain's folders where they are empty. */
void domain_folders_remove (const struct domain_paths *paths);

#endif
