/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests that make and delete checkpoints. */
#ifndef PULLBACK_DOMAIN_CHECKPOINTS_H
#define PULLBACK_DOMAIN_CHECKPOINTS_H

#include "checkpoint.h"
#include "domain-private.h"

/* DOMAIN as checkpoint.h wants it; the catalog is open.  Clear it afterwards. */
struct checkpoint_domain domain_checkpoint_domain (struct domain *domain);
void domain_checkpoint_domain_clear (struct checkpoint_domain *where);

/* For verbs that look at or change the chain in QEMU: opens link and catalog and
 * settles what is half done.  FAILURE_BUSY while a backup runs. */
int domain_checkpoints_prepare (struct domain *domain, struct failure *why) WARN_UNUSED;

/* The same without settling. */
int domain_checkpoints_open (struct domain *domain, struct failure *why) WARN_UNUSED;

/* For verbs that change the catalog alone: domain->qmp is NULL where QEMU is gone.  A
 * backup that is to be undone yet needs the catalog as it is. */
int domain_checkpoints_open_metadata (struct domain *domain, struct failure *why) WARN_UNUSED;

/* At start: settles what an earlier daemon left half done, if QEMU can be asked. */
void domain_checkpoints_start (struct domain *domain);

int domain_request_checkpoint_create (struct domain *domain, json_object *arguments,
                                      json_object **result, struct failure *why) WARN_UNUSED;
int domain_request_checkpoint_create_as (struct domain *domain, json_object *arguments,
                                         json_object **result, struct failure *why) WARN_UNUSED;
int domain_request_checkpoint_delete (struct domain *domain, json_object *arguments,
                                      json_object **result, struct failure *why) WARN_UNUSED;

#endif
