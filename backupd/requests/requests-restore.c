/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images that are named, the disks of a domain, or those of a new machine: restore-begin is three
 * commands. */
#include <config.h>

#include <errno.h>

#include "json-members.h"
#include "requests-restore-domain.h"
#include "requests.h"
#include "restore.h"

/* What is for a new machine alone. */
static int
check_alone (const struct arguments_restore_begin *given, struct failure *why)
{
  const char *other = given->folder != NULL ? "folder"
                      : given->xml != NULL ? "xml"
                      : given->define ? "define"
                      : given->libvirt != NULL ? "libvirt" : NULL;

  if (given->as != NULL || other == NULL)
    return 0;
  return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--%s is for a new "
                      "machine: say --as NAME", other);
}

int
requests_restore_begin (struct domain_registry *registry,
                        const struct arguments_restore_begin *given,
                        json_object **result, struct failure *why)
{
  int r = check_alone (given, why);

  return r < 0 ? r
         : given->as != NULL
         ? requests_restore_as (registry, given, result, why)
         : given->images.n > 0 || given->name == NULL
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
requests_restore_move (struct domain_registry *registry,
                       const struct arguments_restore_move *given,
                       json_object **result, struct failure *why)
{
  return restore_steer (given->name, given->max_rate, given->pause, result,
                        why);
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
