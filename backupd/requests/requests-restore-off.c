/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>

#include "domain.h"
#include "requests-restore-domain.h"

int
requests_restore_off (struct domain *domain,
                      const struct arguments_restore_begin *given,
                      json_object **result, struct failure *why)
{
  return failure_set (why, FAILURE_BAD_ARGUMENT, ENOSYS, "the domain %s is "
                      "shut off, and its disks cannot be found by its name "
                      "yet: say which by --image DISK=FILE and --format",
                      domain_name (domain));
}
