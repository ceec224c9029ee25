/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An instant restore that is begun again, or left to the next daemon.  Threads: any. */
#ifndef PULLBACK_RESTORE_AGAIN_H
#define PULLBACK_RESTORE_AGAIN_H

#include "restore-model.h"

/* The restore NAME goes on, if it is interrupted or broken, as GIVEN asks for, which must be what was
 * asked for before.  -ENOENT: there is none that can. */
int restore_again_begin (const struct arguments_restore_begin *given, const char *name,
                         json_object **info, struct failure *why) WARN_UNUSED;

/* When the daemon ends: so does what runs of the restore NAME, which the next one goes on with.
 * False: it is none that can go on. */
bool restore_again_close (const char *name);

#endif
