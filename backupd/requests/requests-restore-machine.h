/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which disks of a QEMU whose guest has not run are to be written back.  The domain's thread. */
#ifndef PULLBACK_REQUESTS_RESTORE_MACHINE_H
#define PULLBACK_REQUESTS_RESTORE_MACHINE_H

#include <glib.h>

#include "control-commands.h"
#include "domain.h"
#include "qmp-disk.h"
#include "restore.h"

/* What RESTORE points to; clear it afterwards. */
struct requests_machine {
  struct restore_disks restore;
  GArray *disks;                /* struct restore_disk */
  GPtrArray *texts;             /* what they point to */
  char *qemu;
};

/* DOMAIN is connected.  Refused where its guest runs, or has run. */
int requests_restore_look (struct domain *domain, const struct arguments_restore_begin *given,
                           struct requests_machine *machine, struct failure *why) WARN_UNUSED;

/* Also one that was not looked at. */
void requests_restore_clear (struct requests_machine *machine);

#endif
