/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which virtual machine a domain is. */
#ifndef PULLBACK_DOMAIN_IDENTITY_H
#define PULLBACK_DOMAIN_IDENTITY_H

#include "domain-private.h"

/* For domain-add, connected: is QEMU the machine that the XML and the checkpoints
 * in our folder are of, if any?  A new one never inherits. */
int domain_identity_check (const struct domain *domain, struct failure *why) WARN_UNUSED;

#endif
