/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an instant restore is asked for, and its images. */
#ifndef PULLBACK_RESTORE_INSTANT_PLAN_H
#define PULLBACK_RESTORE_INSTANT_PLAN_H

#include "restore-model.h"

/* Does what is GIVEN fit together?  Also where it asks for no instant restore. */
int restore_instant_plan_check (const struct arguments_restore_begin *given,
                                struct failure *why) WARN_UNUSED;

/* Gives the images that RESTORE has their sources; opens nothing.  Nothing where it is not to be
 * instant. */
int restore_instant_plan_images (struct restore *restore, struct failure *why) WARN_UNUSED;

/* Opens the source of IMAGE, and says in SPEC what the image is to be; nothing where it has none. */
int restore_instant_plan_target (const struct restore *restore, struct restore_image *image,
                                 struct restore_target_spec *spec, struct failure *why) WARN_UNUSED;

#endif
