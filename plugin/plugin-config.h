/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plugin's parameters, as given on nbdkit's command line.
 *
 * Threads: filled by one thread before any export is opened, then only read. */
#ifndef PULLBACK_PLUGIN_CONFIG_H
#define PULLBACK_PLUGIN_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "failure.h"
#include "source.h"

enum role_kind { ROLE_NONE, ROLE_SINK, ROLE_VIEW, ROLE_RESTORE };

#define WRITE_LIMIT_DEFAULT 10000
#define PLUGIN_LIMITS 4

struct disk_config {
  char *name;
  struct source_config base;
  /* Of a restore: an inherited descriptor, which moves to the role, and what it must be
   * open on (file-identity.h). */
  int target_fd;                /* 0: none */
  char *target_id;
  char **labels;                /* of the bitmaps to export */
  size_t label_count;
  char *pace;                   /* its device's pace file; NULL: none */
};

struct plugin_config {
  enum role_kind role;
  char *fleece;                 /* folder */
  char *maps;                   /* folder of the maps; NULL: fleece */
  int write_limit;              /* ms; 0: none */
  bool write_limit_given;
  bool outlive_parent;
  pid_t client_pid;             /* the process that may connect; 0: any */
  bool consume;                 /* clients may give back what they have read */
  char *memory;                 /* where the gateway gets memory; NULL: it gets none */
  bool memory_owned;            /* that socket is to be uid's and gid's */
  uid_t memory_uid;
  gid_t memory_gid;
  char *limits[PLUGIN_LIMITS];  /* pace files of the whole process; NULL: no more */
  char *backup;                 /* says nothing but whose process this is; may be NULL */
  struct disk_config *disks;
  size_t disk_count;
};

/* Takes one KEY=VALUE.  Per-disk keys belong to the last disk. */
int plugin_config_set (struct plugin_config *config, const char *key,
                       const char *value, struct failure *why) WARN_UNUSED;

/* Call after the last one: is everything there that the role needs? */
int plugin_config_check (const struct plugin_config *config, struct failure *why) WARN_UNUSED;

/* The folder of NAME.present. */
const char *plugin_config_maps (const struct plugin_config *config);

void plugin_config_free (struct plugin_config *config);

#endif
