/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What others see of a restore.  Under the lock of restore-registry.c. */
#ifndef PULLBACK_RESTORE_INFO_H
#define PULLBACK_RESTORE_INFO_H

#include "restore-model.h"

/* Notes it: by who does something with the restore, when that is done. */
void restore_info_publish (struct restore *restore);

/* As that was, with the state, and how much was written, of now.  A new object. */
json_object *restore_info_make (const struct restore *restore);

/* "ready", "half" ...  Static. */
const char *restore_info_state (const struct restore *restore);

#endif
