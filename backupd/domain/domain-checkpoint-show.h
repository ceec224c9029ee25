/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests that show backups and checkpoints, and change nothing. */
#ifndef PULLBACK_DOMAIN_CHECKPOINT_SHOW_H
#define PULLBACK_DOMAIN_CHECKPOINT_SHOW_H

#include "domain.h"

/* The checkpoint that argument KEY names. */
int domain_checkpoint_find (struct domain *domain, json_object *arguments, const char *key,
                            const struct checkpoint **c, struct failure *why) WARN_UNUSED;

/* domain-checkpoint-list.c */
int domain_request_checkpoint_list (struct domain *domain, json_object *arguments,
                                    json_object **result, struct failure *why) WARN_UNUSED;
int domain_request_checkpoint_info (struct domain *domain, json_object *arguments,
                                    json_object **result, struct failure *why) WARN_UNUSED;
int domain_request_checkpoint_parent (struct domain *domain, json_object *arguments,
                                      json_object **result, struct failure *why) WARN_UNUSED;

/* domain-dump.c */
int domain_request_checkpoint_dumpxml (struct domain *domain, json_object *arguments,
                                       json_object **result, struct failure *why) WARN_UNUSED;
int domain_request_backup_dumpxml (struct domain *domain, json_object *arguments,
                                   json_object **result, struct failure *why) WARN_UNUSED;

#endif
