/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which virtual machine a domain is. */
#ifndef PULLBACK_DOMAIN_IDENTITY_H
#define PULLBACK_DOMAIN_IDENTITY_H

#include "domain.h"

/* For domain-add, before the thread runs: does QEMU answer, can it do what we need, are
 * the disks there, and is it the machine that the XML and the checkpoints in our folder
 * are of, if any?  One that is libvirt's may be off: then that is all that is asked.  WHY must
 * be there. */
int domain_identity_check (struct domain *domain, struct failure *why) WARN_UNUSED;

#endif
