/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* restore-begin of a registered domain.  The thread of the connection. */
#ifndef PULLBACK_REQUESTS_RESTORE_DOMAIN_H
#define PULLBACK_REQUESTS_RESTORE_DOMAIN_H

#include "control-commands.h"
#include "domain-registry.h"
#include "restore.h"

/* GIVEN names it, and no images: what is written back, and how, goes by what it is now. */
int requests_restore_domain (struct domain_registry *registry,
                             const struct arguments_restore_begin *given,
                             json_object **result, struct failure *why) WARN_UNUSED;

/* GIVEN has "as": new images, and a new machine, of GIVEN's domain or XML. */
int requests_restore_as (struct domain_registry *registry,
                         const struct arguments_restore_begin *given,
                         json_object **result, struct failure *why) WARN_UNUSED;

/* Does libvirt say that DOMAIN, one of its own, is shut off?  It knows before its session ends. */
bool requests_restore_is_off (const struct domain *domain);

/* Of DOMAIN, which is taken: it is libvirt's, and shut off. */
int requests_restore_off (struct domain *domain, const struct arguments_restore_begin *given,
                          json_object **result, struct failure *why) WARN_UNUSED;

#endif
