/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Temporary folders. */
#ifndef PULLBACK_CLI_FOLDER_H
#define PULLBACK_CLI_FOLDER_H

#include "failure.h"

#define CLI_FOLDER_PREFIX "pullback-"

/* A new folder PARENT/pullback-XXXXXX, private to us (as root: others may
 * pass through, QEMU's user must).  *PATH: free with g_free. */
int cli_folder_create (const char *parent, char **path,
                       struct failure *why) WARN_UNUSED;

/* Removes PATH and all that is in it, staying on its file system. */
void cli_folder_remove (const char *path);

#endif
