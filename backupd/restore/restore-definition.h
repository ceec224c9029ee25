/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The virtual machine that is made with the images of a restore: an object in restore->definition, which
 * the journal keeps as it is.  Threads: of the restore. */
#ifndef PULLBACK_RESTORE_DEFINITION_H
#define PULLBACK_RESTORE_DEFINITION_H

#include "restore-model.h"

/* MACHINE NULL: nothing. */
void restore_definition_set (struct restore *restore, const struct restore_definition *machine);

/* A step, when the images have their names: defines it in libvirt, or writes its XML into its file.
 * Once more is the same as once. */
int restore_definition_make (void *restore, struct failure *why) WARN_UNUSED;

/* Adds to INFO what it is, but for its XML. */
void restore_definition_show (const struct restore *restore, json_object *info);

#endif
