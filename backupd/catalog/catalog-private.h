/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The struct behind catalog.h, and its files.  Private to backupd/catalog. */
#ifndef PULLBACK_CATALOG_PRIVATE_H
#define PULLBACK_CATALOG_PRIVATE_H

#include <glib.h>

#include "catalog.h"

struct catalog {
  char *folder;
  GPtrArray *list;              /* struct checkpoint, owned; oldest first */
};

/* Appends what the folder has; the list is not sorted yet.  TIDY: removes what a crash has left. */
int catalog_load (struct catalog *catalog, bool tidy, struct failure *why) WARN_UNUSED;

/* C's file, durable. */
int catalog_store (const struct catalog *catalog, const struct checkpoint *c, struct failure *why) WARN_UNUSED;
int catalog_unlink (const struct catalog *catalog, const char *name, struct failure *why) WARN_UNUSED;

#endif
