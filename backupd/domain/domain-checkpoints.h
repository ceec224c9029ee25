/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests that make and delete checkpoints. */
#ifndef PULLBACK_DOMAIN_CHECKPOINTS_H
#define PULLBACK_DOMAIN_CHECKPOINTS_H

#include "domain.h"

int domain_request_checkpoint_create (struct domain *domain, json_object *arguments,
                                      json_object **result, struct failure *why) WARN_UNUSED;
int domain_request_checkpoint_create_as (struct domain *domain, json_object *arguments,
                                         json_object **result, struct failure *why) WARN_UNUSED;
int domain_request_checkpoint_delete (struct domain *domain, json_object *arguments,
                                      json_object **result, struct failure *why) WARN_UNUSED;

#endif
