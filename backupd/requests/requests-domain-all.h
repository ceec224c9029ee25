/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PULLBACK_REQUESTS_DOMAIN_ALL_H
#define PULLBACK_REQUESTS_DOMAIN_ALL_H

#include "requests.h"

/* domain-add with --all. */
int requests_domain_add_all (struct domain_registry *registry,
                             const struct arguments_domain_add *given,
                             json_object **result, struct failure *why) WARN_UNUSED;

#endif
