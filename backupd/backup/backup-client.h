/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Our own NBD client (libnbd): the one-time import of a bitmap from QEMU, its flush after the
 * freeze, and the check of every export before READY (rule N3).  All calls end by their
 * deadline. */
#ifndef PULLBACK_BACKUP_CLIENT_H
#define PULLBACK_BACKUP_CLIENT_H

#include <stdint.h>

#include "failure.h"
#include "granule-map.h"

/* A child that cannot serve is noticed after this long. */
#define BACKUP_CLIENT_PATIENCE_MS 20000

/* Where an export is: a unix SOCKET, or HOST and PORT when SOCKET is NULL. */
struct backup_client_address {
  const char *socket;
  const char *host, *port;
};

/* Opens EXPORT and checks that it has SIZE bytes (0: not looked at) and answers
 * for CONTEXT (NULL: not looked at). */
int backup_client_check (const struct backup_client_address *address, const char *export_name,
                         uint64_t size, const char *context, int timeout_ms,
                         struct failure *why) WARN_UNUSED;

/* Reads the dirty extents of CONTEXT over the whole EXPORT into MAP (created
 * clear, of the same size).  Cost grows with the extents, not the disk. */
int backup_client_import (const struct backup_client_address *address, const char *export_name,
                          const char *context, struct granule_map *map, int timeout_ms,
                          struct failure *why) WARN_UNUSED;

/* Has the server of EXPORT write what it holds back. */
int backup_client_flush (const struct backup_client_address *address, const char *export_name,
                         int timeout_ms, struct failure *why) WARN_UNUSED;

#endif
