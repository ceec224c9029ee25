/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The processes of a restore; the steps that start them are in restore-steps.h. */
#ifndef PULLBACK_RESTORE_SERVE_H
#define PULLBACK_RESTORE_SERVE_H

#include "restore-model.h"

/* The argument that nbdkit of this restore alone has; g_free. */
char *restore_serve_mark (const struct restore *restore);

/* Ends nbdkit after the last client, and returns when it has ended: nothing that it was asked for is
 * done later.  As long as that takes, or -ETIMEDOUT: the daemon is to end. */
int restore_serve_finish_plugin (struct restore *restore, struct failure *why) WARN_UNUSED;

#endif
