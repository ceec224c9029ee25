/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A daemon for this one command, in temporary folders. */
#ifndef PULLBACK_CLI_PRIVATE_H
#define PULLBACK_CLI_PRIVATE_H

#include <stdbool.h>

#include "failure.h"
#include "process-spawn.h"

/* What its one machine is called. */
#define CLI_PRIVATE_DOMAIN "vm"

struct cli_private {
  int lock_fd;                  /* held by us and the daemon (cli-leftover.h) */
  bool used;                    /* a daemon has been ready in these folders */
  char *state;                  /* state folder, the user's or WORK */
  char *runtime;                /* temporary folder of sockets */
  char *work;                   /* temporary state folder; NULL: the user's */
  char *scratch;                /* temporary, in the user's; NULL: in the state's */
  char *socket;                 /* control socket */
  char *log;                    /* what the daemon said */
  struct process process;       /* pid 0: not running */
};

/* STATE may be NULL: a temporary one.  The old data goes to a folder of our own in
 * SCRATCH, for every daemon here calls its machine the same; NULL: in the state
 * folder.  Returns when the daemon takes commands; on failure everything is
 * removed.  First tidies up after runs that were killed. */
int cli_private_start (const char *state, const char *scratch,
                       struct cli_private *private_daemon,
                       struct failure *why) WARN_UNUSED;

/* One that has died is started again in its folders, where it goes on with its backup. */
int cli_private_restart (struct cli_private *private_daemon, struct failure *why) WARN_UNUSED;

/* Ends the daemon, which aborts its backup if one runs, and removes the
 * temporary folders.  One that has died is started again to end its backup.
 * Folders of a backup that cannot be undone stay, and standard error says so. */
void cli_private_stop (struct cli_private *private_daemon);

/* Has it ended by itself?  Then reaps it. */
bool cli_private_ended (struct cli_private *private_daemon);

#endif
