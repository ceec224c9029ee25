/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the libvirts of all domains say of them: running, off, renamed, undefined.  A thread of its
 * own, with a program for each URI. */
#ifndef PULLBACK_DOMAIN_WATCH_H
#define PULLBACK_DOMAIN_WATCH_H

#include "domain-registry.h"

/* Once, from main; REGISTRY stays until it is stopped. */
int domain_watch_start (struct domain_registry *registry, struct failure *why) WARN_UNUSED;
/* Also where it was not started. */
void domain_watch_stop (void);

/* A domain was added.  Any thread. */
void domain_watch_look (void);

#endif
