/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a role (sink, view, restore) does for the plugin.
 *
 * An export is whatever the role made for one export name; it lives from start
 * to stop and is shared by all connections.  All but start and stop are called
 * by many threads at once.  0 or -errno. */
#ifndef PULLBACK_PLUGIN_ROLE_H
#define PULLBACK_PLUGIN_ROLE_H

#include <stdbool.h>
#include <stdint.h>

#include "failure.h"
#include "plugin-config.h"

struct role_export;
struct nbdkit_extents;

/* How something is to be written. */
#define ROLE_FUA 1u             /* it is on stable storage before it is answered */
#define ROLE_MAY_TRIM 2u        /* zeros may be a hole */
#define ROLE_FAST 4u            /* zeros fast, or -EOPNOTSUPP */

struct plugin_role {
  bool writable;
  bool heirs_wait;              /* for what processes that have ended asked for */

  /* Opens everything that CONFIG (borrowed until stop) names.  After a failure
   * stop is still called.  No threads yet: nbdkit then closes 0 and 1, opens
   * /dev/null twice and ends, saying "open: " and any error, where another thread
   * has opened something meanwhile. */
  int (*start) (const struct plugin_config *config, struct failure *why);
  void (*stop) (void);

  /* May be NULL.  After nbdkit has gone into the background: threads. */
  int (*serve) (const struct plugin_config *config, struct failure *why);

  /* NULL if there is no such export. */
  struct role_export *(*find) (const char *name);

  /* Names one by one, NULL behind the last. */
  const char *(*name) (size_t index);

  uint64_t (*size) (struct role_export *export);
  int (*read) (struct role_export *export, void *buffer, uint32_t count,
               uint64_t offset);

  /* The range need not be read again: only with "consume" in CONFIG; NULL: never. */
  int (*consume) (struct role_export *export, uint32_t count, uint64_t offset);

  /* Only if writable. */
  int (*write) (struct role_export *export, const void *buffer,
                uint32_t count, uint64_t offset, unsigned flags);
  int (*zero) (struct role_export *export, uint32_t count, uint64_t offset,
               unsigned flags);

  /* NULL: clients cannot trim, but for what consume does. */
  int (*trim) (struct role_export *export, uint32_t count, uint64_t offset,
               unsigned flags);

  /* NULL: nothing has to be on stable storage. */
  int (*flush) (struct role_export *export);

  /* NULL: it is not told.  Adds at least one extent from OFFSET on. */
  int (*extents) (struct role_export *export, uint32_t count, uint64_t offset,
                  bool only_one, struct nbdkit_extents *extents);
};

extern const struct plugin_role sink_role;
extern const struct plugin_role view_role;
extern const struct plugin_role restore_role;

#endif
