/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What virtual machines a libvirt has, now and whenever that changes.  Threads: one; see
 * libvirt-program.h. */
#ifndef PULLBACK_LIBVIRT_WATCH_H
#define PULLBACK_LIBVIRT_WATCH_H

#include <stdint.h>

#include <json-c/json.h>

#include "failure.h"

struct libvirt_watch;

int libvirt_watch_open (const char *uri, struct libvirt_watch **watch, struct failure *why) WARN_UNUSED;
/* NULL is nothing. */
void libvirt_watch_close (struct libvirt_watch *watch);

/* For poll (2): readable means "call libvirt_watch_read until there is none". */
int libvirt_watch_fd (const struct libvirt_watch *watch);

/* The next list: an array (a new reference) of {"uuid", "name", "state"}.  -ETIMEDOUT: none until
 * DEADLINE_MS (0: without waiting).  After another -errno there will be none. */
int libvirt_watch_read (struct libvirt_watch *watch, int64_t deadline_ms, json_object **domains,
                        struct failure *why) WARN_UNUSED;

#endif
