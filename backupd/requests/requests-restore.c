/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include "json-members.h"
#include "requests-restore-domain.h"
#include "requests.h"
#include "restore.h"

int
requests_restore_begin (struct domain_registry *registry,
                        const struct arguments_restore_begin *given,
                        json_object **result, struct failure *why)
{
  return given->images.n > 0 || given->name == NULL
         ? restore_begin (given, NULL, result, why)
         : requests_restore_domain (registry, given, result, why);
}

int
requests_restore_commit (struct domain_registry *registry,
                         const struct arguments_restore_commit *given,
                         json_object **result, struct failure *why)
{
  return restore_commit (given->name, result, why);
}

int
requests_restore_abort (struct domain_registry *registry,
                        const struct arguments_restore_abort *given,
                        json_object **result, struct failure *why)
{
  return restore_abort (given->name, given->forget, result, why);
}

int
requests_restore_info (struct domain_registry *registry,
                       const struct arguments_restore_info *given,
                       json_object **result, struct failure *why)
{
  return restore_info (given->name, result, why);
}

int
requests_restore_list (struct domain_registry *registry,
                       const struct arguments_restore_list *given,
                       json_object **result, struct failure *why)
{
  *result = json_object_new_object ();
  json_object_object_add (*result, "restores", restore_list ());
  return 0;
}
