/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What restore-registry.c, which is behind restore.h, does for the steps.  Threads: any. */
#ifndef PULLBACK_RESTORE_REGISTRY_H
#define PULLBACK_RESTORE_REGISTRY_H

#include "restore-model.h"

/* IMAGE is the file IDENTITY from now on, and one that is new is to be called NAME (else NULL), which
 * no image of another restore may be. */
int restore_registry_claim (struct restore_image *image, const char *identity, const char *name,
                            struct failure *why) WARN_UNUSED;

/* Fails, and says so, where another restore than RESTORE, which has IMAGE, was given the same path. */
int restore_registry_check_path (const struct restore *restore, const struct restore_image *image,
                                 struct failure *why) WARN_UNUSED;

/* Begins with what the journals in FOLDER tell of; and ends.  As restore_open and restore_close. */
void restore_registry_open (const struct restore_settings *settings, const char *folder);
void restore_registry_close (void);

/* Adds the restore that GIVEN asks for (DISKS as of restore_begin), in the place of one of its name that has ended and is half
 * done; it is the caller's until it is released. */
int restore_registry_add (const struct arguments_restore_begin *given,
                          const struct restore_disks *disks, struct restore **restore,
                          struct failure *why) WARN_UNUSED;

/* *RESTORE is the caller's until it is released.  DOING is static: what others see meanwhile. */
int restore_registry_take (const char *name, const char *doing, struct restore **restore,
                           struct failure *why) WARN_UNUSED;

/* ENDED: it goes, but for what is half restored.  *INFO (INFO may be NULL) becomes what is seen of
 * it then; where it is gone its state is STATE. */
void restore_registry_release (struct restore *restore, bool ended, const char *state,
                               json_object **info);

/* What was to end it has failed, as TEXT says: it can only be tried again. */
void restore_registry_set_ending (struct restore *restore, const char *text);

void restore_registry_set_reason (struct restore *restore, bool broken, const char *text);

/* The restore NAME, if a QEMU has its images and it is not at its end, is broken, as TEXT says; false: it
 * is none, or is broken already. */
bool restore_registry_break (const char *name, const char *text);

/* Fails where that was done. */
int restore_registry_check_unbroken (const struct restore *restore, struct failure *why) WARN_UNUSED;

#endif
