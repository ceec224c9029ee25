/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who has the disks of a domain decides how they are written to: its QEMU, where there is one,
 * or else nobody. */
#include <config.h>

#include <errno.h>
#include <unistd.h>

#include "deadline.h"
#include "domain-ending.h"
#include "domain-libvirt.h"
#include "domain-recovery.h"
#include "domain-thread.h"
#include "requests-restore-domain.h"
#include "requests-restore-machine.h"

#define ENDING_MS 5000
#define LOOK_MS 100

/* What the domain's thread found. */
struct look {
  const struct arguments_restore_begin *given;
  bool off;                     /* nobody has its disks */
  struct requests_machine machine;      /* else what its QEMU has */
};

static int
look (struct domain *domain, void *opaque, struct failure *why)
{
  struct look *found = opaque;
  struct failure fault = { .error = 0 };
  int r = domain_connect (domain, &fault);

  found->off = r < 0 && domain_libvirt_is (domain) &&
               domain_libvirt_is_off (domain);
  if (r < 0 && !found->off)
    return failure_set (why, fault.class, fault.error, "%s", fault.text);
  r = domain_backup_none (domain, why);
  return r < 0 || found->off ? r
         : requests_restore_look (domain, found->given, &found->machine, why);
}

/* One that has just ended is off for libvirt before our session with its QEMU knows. */
static int
look_again (struct domain *domain, struct look *found, struct failure *why)
{
  int64_t deadline = now_ms () + ENDING_MS;
  const struct arguments_restore_begin *given = found->given;

  for (;;) {
    struct failure fault = { .error = 0 };
    int r = domain_run (domain, given->head.command->verb, DOMAIN_QUICK, look,
                        found, &fault);

    if (r == 0)
      return 0;
    if (ms_left (deadline) == 0 || !domain_libvirt_is (domain) ||
        !requests_restore_is_off (domain))
      return failure_set (why, fault.class, fault.error, "%s", fault.text);
    requests_restore_clear (&found->machine);
    *found = (struct look) { .given = given };
    usleep (LOOK_MS * 1000);
  }
}

static int
begin (struct domain *domain, const struct arguments_restore_begin *given,
       json_object **result, struct failure *why)
{
  struct look found = { .given = given };
  int r = look_again (domain, &found, why);

  if (r == 0)
    r = found.off ? requests_restore_off (domain, given, result, why)
        : restore_begin (given, &found.machine.restore, result, why);
  requests_restore_clear (&found.machine);
  return r;
}

int
requests_restore_domain (struct domain_registry *registry,
                         const struct arguments_restore_begin *given,
                         json_object **result, struct failure *why)
{
  struct domain *domain;
  int r = domain_registry_take (registry, given->name, &domain, why);

  if (r < 0)
    return r;
  r = begin (domain, given, result, why);
  domain_registry_release (registry, domain);
  return r;
}
