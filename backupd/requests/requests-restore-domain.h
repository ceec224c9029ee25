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

/* The same of DOMAIN, which is taken: it is libvirt's, and shut off. */
int requests_restore_off (struct domain *domain, const struct arguments_restore_begin *given,
                          json_object **result, struct failure *why) WARN_UNUSED;

#endif
