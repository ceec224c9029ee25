/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How restores reach the QEMUs of domains. */
#ifndef PULLBACK_DOMAIN_RESTORE_H
#define PULLBACK_DOMAIN_RESTORE_H

#include "domain-registry.h"
#include "restore.h"

/* From main: REGISTRY is where domains are found until this is called with NULL. */
void domain_restore_use (struct domain_registry *registry);

/* As restore.h has it; threads: any. */
restore_ask_fn domain_restore_ask;

#endif
