/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the commands do: requests_ID of each, in requests-FAMILY.c, is declared here by
 * the command table. */
#ifndef PULLBACK_REQUESTS_H
#define PULLBACK_REQUESTS_H

#include "control-commands.h"
#include "domain-registry.h"
#include "domain.h"

/* Carries out the command that ARGUMENTS are of, in the thread that its kind says.
 * *RESULT is a new object.  Threads: any. */
int requests_answer (struct domain_registry *registry, const struct control_arguments *arguments,
                     json_object **result, struct failure *why) WARN_UNUSED;

/* By its kind, a command is given what it is about. */
typedef struct domain requests_target_QUICK, requests_target_BEGINNING, requests_target_ENDING;
typedef struct domain_registry requests_target_REGISTRY;
typedef void requests_target_LOCAL;     /* there is no function of these */

#define COMMAND(id, verb, kind, help) \
  int requests_##id (requests_target_##kind *target, const struct arguments_##id *given, \
                     json_object **result, struct failure *why) WARN_UNUSED;
#include "control-commands.tbl.h"

#endif
