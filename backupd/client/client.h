/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Our own NBD client (libnbd): the one-time import of bitmaps from QEMU, its flush after the
 * freeze, and the check of every export before READY (rule N3).  All calls end by their
 * deadlines; of several exports some are served at a time.  The first failure ends all. */
#ifndef PULLBACK_CLIENT_H
#define PULLBACK_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "granule-map.h"

/* A child that cannot serve is noticed after this long. */
#define CLIENT_PATIENCE_MS 20000

/* Where an export is: a unix SOCKET, or HOST and PORT when SOCKET is NULL. */
struct client_address {
  const char *socket;
  const char *host, *port;
};

/* What an export must be. */
struct client_export {
  const char *name;
  uint64_t size;                /* bytes; 0: not looked at */
  const char *context;          /* that it answers for; NULL: not looked at */
};

/* Opens each of N EXPORTS, within TIMEOUT_MS. */
int client_check (const struct client_address *address,
                         const struct client_export *exports, size_t n, int timeout_ms,
                         struct failure *why) WARN_UNUSED;

/* Of whose bitmap nothing is known. */
#define CLIENT_ANY UINT64_MAX

/* What an export of QEMU's tells by this context: how many images below its own (1) what is
 * read there is allocated; 0: nowhere. */
#define CLIENT_DEPTH "qemu:allocation-depth"

struct client_bitmap {
  const char *export_name;
  const char *context;
  unsigned depth;               /* of CLIENT_DEPTH: from 1 to this counts as dirty */
  struct granule_map *map;      /* created clear, of the export's size */
  uint32_t least;               /* bytes: nothing smaller is dirty, or clean, by itself */
  uint64_t dirty;               /* bytes that the bitmap has, which is of GRANULE_DEFAULT:
                                 * whole granules; or CLIENT_ANY */
  uint64_t untold;              /* after the import: so much at the end was not told in time, and
                                 * all of it counts as dirty */
};

/* Reads the dirty extents of N BITMAPS into their maps, each within TIMEOUT_MS.  Cost grows with
 * the extents, and little with the disk.  -EPROTO: there were fewer than a bitmap has. */
int client_import (const struct client_address *address,
                          struct client_bitmap *bitmaps, size_t n, int timeout_ms,
                          struct failure *why) WARN_UNUSED;

/* Has the server of the export NAME write what it holds back. */
int client_flush (const struct client_address *address, const char *name,
                         int timeout_ms, struct failure *why) WARN_UNUSED;

#endif
