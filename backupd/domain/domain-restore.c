/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>

#include "domain-recovery.h"
#include "domain-restore.h"
#include "domain-thread.h"

/* Set while nobody asks. */
static struct domain_registry *registry;

struct question {
  bool keep;
  int (*function) (struct qmp *qmp, void *opaque, struct failure *why);
  void *opaque;
};

static int
ask (struct domain *domain, void *opaque, struct failure *why)
{
  const struct question *question = opaque;
  struct failure fault = { .error = 0 };
  int r = domain_connect (domain, &fault);

  if (r == -ENOENT || r == -ECONNREFUSED || r == -ENOTDIR)
    return failure_set (why, fault.class, ESRCH, "%s", fault.text);
  if (r < 0)
    return failure_set (why, fault.class, -r, "%s", fault.text);
  domain->kept = question->keep;
  return question->function (domain->qmp, question->opaque, why);
}

void
domain_restore_use (struct domain_registry *used)
{
  registry = used;
}

int
domain_restore_ask (const char *name, bool keep,
                    int (*function) (struct qmp *qmp, void *opaque,
                                     struct failure *why),
                    void *opaque, struct failure *why)
{
  struct question question = { keep, function, opaque };
  struct domain *domain;
  int r;

  if (registry == NULL)
    return failure_set (why, FAILURE_BUSY, EBUSY, "QEMU of %s cannot be asked "
                        "while the daemon starts or stops", name);
  r = domain_registry_take (registry, name, &domain, why);
  if (r < 0)
    return r;
  r = domain_run (domain, "restore", DOMAIN_QUICK, ask, &question, why);
  domain_registry_release (registry, domain);
  return r;
}
