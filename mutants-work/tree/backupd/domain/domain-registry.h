/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All domains the daemon knows.
 *
 * Threads: any; open, stop and close from main. */
#ifndef PULLBACK_DOMAIN_REGISTRY_H
#define PULLBACK_DOMAIN_REGISTRY_H

#include "domain-folders.h"
#include "failure.h"

struct domain;
struct domain_registration;
struct domain_registry;

/* Loads STATE/DOMAIN/domain.json of every domain and starts their threads,
 * which first undo what a daemon that died has left.  A registration that
 * cannot be read is logged and left alone.  FOLDERS is borrowed until it is closed. */
int domain_registry_open (const struct domain_folders *folders,
                          struct domain_registry **registry,
                          struct failure *why) WARN_UNUSED;

/* Aborts every backup, or with LEAVE those that cannot go on until the next daemon takes them
 * over; waits for the threads (stop-clock.h says how long that may take).  The number of domains with a backup that could not be ended and is left to
 * the next daemon. */
unsigned domain_registry_stop (struct domain_registry *registry, bool leave);
/* After that; no call may be running. */
void domain_registry_close (struct domain_registry *registry);

/* The domain called NAME, which stays until it is released, removed or not.
 * FAILURE_DOMAIN_NOT_FOUND, or _BUSY while it is being added. */
int domain_registry_take (struct domain_registry *registry, const char *name,
                          struct domain **domain, struct failure *why) WARN_UNUSED;
void domain_registry_release (struct domain_registry *registry, struct domain *domain);

/* FUNCTION of every domain, in the order they were added.  It must not wait, nor
 * call this registry. */
void domain_registry_each (struct domain_registry *registry,
                           void (*function) (struct domain *domain, void *opaque), void *opaque);

/* Asks QEMU, stores REGISTRATION (taken over, on failure too), and starts the domain's
 * thread.  FAILURE_EXISTS where name or socket are taken. */
int domain_registry_add (struct domain_registry *registry,
                         struct domain_registration *registration, struct failure *why) WARN_UNUSED;

/* Forgets DOMAIN, which is taken and whose thread has removed its files.  Once only. */
void domain_registry_remove (struct domain_registry *registry, struct domain *domain);

#endif
