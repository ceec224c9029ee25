/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routing table: which public export is which upstream export, and which
 * meta context is whose allocation map.  Read once from a JSON file, then
 * constant; shared by all threads. */
#ifndef PULLBACK_GATEWAY_ROUTES_H
#define PULLBACK_GATEWAY_ROUTES_H

#include <stddef.h>

#include "failure.h"
#include "gateway-dirty.h"
#include "gateway-ended.h"
#include "gateway-served.h"
#include "gateway-writers.h"
#include "gateway-written.h"
#include "nbd-wire.h"

/* Contexts of an export in the file: besides base:allocation, which has number 0, and
 * pullback:served, which comes last. */
#define ROUTE_CONTEXTS_MAX 255

struct route_context {
  char *name;                   /* qemu:dirty-bitmap:backup-vda */
  char *upstream;               /* the export whose allocation map it shows; NULL: */
  char *map;                    /* the map that it shows */
  struct dirty *dirty;          /* the same without asking; of its route, or NULL */
};

struct route {
  char *name;                   /* what clients ask for */
  char *upstream;               /* export name at the upstream server */
  char *description;            /* "" for none */
  struct route_context *contexts;
  size_t n_contexts;
  struct served *served;        /* NULL: it is not noted */
  struct dirty *dirty;          /* its allocation map; NULL: upstream has it */
  char *map;                    /* what it was opened as; NULL: by its upstream name */
  bool writable;
  char *server;                 /* path of its own server's socket; NULL: that of all */
  struct written *written;      /* NULL if it is not writable; so the next */
  struct writers *writers;
  struct ended *ended;          /* of writable ones that have a server of their own; else NULL */
};

struct routes {
  char *upstream;               /* path of the upstream server's socket */
  struct route *items;
  size_t count;
  /* Set after loading. */
  bool consume;                 /* clients may trim */
  char *memory;                 /* path of the socket where the upstream server
                                   gives memory; NULL: it gives none */
};

/* The folders of the maps of what was served, of what has changed, and of what is
 * written, named by the upstream exports, or as the routes say; NULL: none. */
struct routes_folders {
  const char *served, *maps, *written;
};

/* Reads FILE.  -errno with a sentence in WHY. */
int gateway_routes_load (const char *file, const struct routes_folders *folders, struct routes *routes, struct failure *why) WARN_UNUSED;
void gateway_routes_free (struct routes *routes);

/* The path of the socket of the server that has ROUTE's upstream exports. */
const char *gateway_routes_server (const struct routes *routes, const struct route *route);

/* The export called NAME.  The empty name is the only plain disk (no '@' in
 * its name), if there is just one.  NULL if there is none. */
const struct route *gateway_routes_find (const struct routes *routes, struct nbd_text name);

#endif
