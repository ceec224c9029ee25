/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What each command does; most run in the thread of their domain. */
#ifndef PULLBACK_DOMAIN_REQUESTS_H
#define PULLBACK_DOMAIN_REQUESTS_H

#include "domain-registry.h"
#include "domain.h"

/* Runs VERB, whose ARGUMENTS (borrowed, may be NULL) have passed
 * control_check_arguments.  *RESULT is a new object.  From any thread. */
int domain_request_call (struct domain_registry *registry, const char *verb,
                         json_object *arguments, json_object **result,
                         struct failure *why) WARN_UNUSED;

/* Forgets the domain's files.  domain-remove.c */
int domain_request_remove (struct domain *domain, json_object *arguments,
                           json_object **result, struct failure *why) WARN_UNUSED;

#endif
