/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a daemon finds of an earlier one. */
#ifndef PULLBACK_RESTORE_RECOVER_H
#define PULLBACK_RESTORE_RECOVER_H

#include "restore-model.h"

/* Takes over the restores whose journals are in FOLDER, or ends them, and adds to RESTORES, by name,
 * what goes on, has an image that is half restored, or could not be committed to its end.  Before
 * threads call. */
void restore_recover (const char *folder, const struct restore_settings *settings,
                      GHashTable *restores);

#endif
