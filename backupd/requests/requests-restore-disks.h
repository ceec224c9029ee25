/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which disks of a machine that does not run are restored.  Threads: any. */
#ifndef PULLBACK_REQUESTS_RESTORE_DISKS_H
#define PULLBACK_REQUESTS_RESTORE_DISKS_H

#include "control-commands.h"
#include "xml-domain.h"

struct requests_restore_disk {
  const struct xml_domain_disk *disk;   /* of the XML */
  const char *more;             /* what --disk NAME= was given; NULL: nothing */
};

/* Those of XML that GIVEN names, else all that can be restored; *SKIPPED: a list of "name" and "reason"
 * of the others then.  NAME is what people call the machine.  *DISKS is a new array of the struct
 * above, and *SKIPPED a new object. */
int requests_restore_choose (const char *name, const struct xml_domain *xml,
                             const struct arguments_restore_begin *given, GArray **disks,
                             json_object **skipped, struct failure *why) WARN_UNUSED;

#endif
