/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virsh's --diskspec "DISK[,checkpoint=no|bitmap][,bitmap=NAME]", where ",,"
 * is a comma. */
#ifndef PULLBACK_CATALOG_DISKSPEC_H
#define PULLBACK_CATALOG_DISKSPEC_H

#include "catalog-checkpoint.h"
#include "failure.h"

/* Adds what SPEC says to C, a wish that has its name already. */
int catalog_diskspec_add (struct checkpoint *c, const char *spec, struct failure *why) WARN_UNUSED;

#endif
