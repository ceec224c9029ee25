/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NBD connections of our own, many of them at once by one thread.  Each has one command under
 * way at a time (rule Q3).  For the files client-*.c. */
#ifndef PULLBACK_CLIENT_RUN_H
#define PULLBACK_CLIENT_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libnbd.h>

#include "client.h"

struct client {
  const char *export_name;
  const char *context;          /* NULL: none */
  const char *doing;            /* after "being": for people */

  /* Called when H is open and no command is under way: begins the next one with DONE, or
   * says 1: that was all.  Or -errno.  Another client must not be touched. */
  int (*next) (struct client *client, struct failure *why);
  /* What becomes of a command for which there is no time left: 1: that was all, or -errno.
   * NULL: it fails. */
  int (*late) (struct client *client, struct failure *why);
  void *opaque;

  struct nbd_handle *h;         /* while it is open */
  nbd_completion_callback done; /* for the command */
  int error;                    /* of the last command: 0 or a positive errno */

  /* Of client_run alone. */
  bool open, busy;
  int64_t deadline;
};

/* Connects N CLIENTS, some at a time, and runs each to its end, which must come within
 * TIMEOUT_MS of its beginning.  Nothing of them is open afterwards. */
int client_run (const struct client_address *address, struct client *clients, size_t n,
                       int timeout_ms, struct failure *why) WARN_UNUSED;

/* What libnbd says last went wrong while EXPORT was being opened, ...  -errno. */
int client_failed (const struct client *client, struct failure *why);

#endif
