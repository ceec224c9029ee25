/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What restore-begin was asked for. */
#ifndef PULLBACK_RESTORE_PLAN_H
#define PULLBACK_RESTORE_PLAN_H

#include "restore-model.h"

/* The name of the restore, given or of the first image; g_free. */
int restore_plan_name (const struct arguments_restore_begin *given, char **name,
                       struct failure *why) WARN_UNUSED;

/* Gives RESTORE its images: those of DISKS, as of restore_begin, or those that were given.  EARLIER (NULL: none) has the same name and is half done: those of its
 * images that are half restored must be among them, and their targets are taken from it. */
int restore_plan_images (struct restore *restore, const struct restore_disks *disks,
                         struct restore *earlier, struct failure *why) WARN_UNUSED;

#endif
