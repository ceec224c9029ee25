/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of pullback-backupd. */
#ifndef PULLBACK_OPTIONS_H
#define PULLBACK_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "failure.h"

#define OPTIONS_GATEWAY_USER "pullback-gateway"

struct options {
  char *runtime_dir;            /* absolute, all four */
  char *state_dir;
  char *scratch_dir;
  char *socket;
  char *metrics_file;           /* absolute; NULL: none */
  char *metrics_listen;         /* an absolute path, or [ADDRESS:]PORT; NULL: none */
  const char *const *restore_folders;   /* absolute, NULL ends them; NULL: any */
  bool scratch_is_default;      /* inside state_dir, ours to create */
  const char *gateway_user;     /* borrowed from argv; NULL: the usual one */
  int default_ttl;              /* seconds; 0: none */
  int default_idle_timeout;
  uint64_t scratch_limit;       /* bytes, of all backups together; 0: none */
  int sink_limit_ms;            /* 0: none */
  int sink_wait;                /* seconds; 0: for ever */
  uint64_t max_rate;            /* bytes per second of all backups; 0: any */
  uint64_t pace_floor;          /* bytes per second */
  bool systemd_scopes;
  bool verbose;
};

/* 0: go on.  1: --help or --version was all. */
int options_parse (int argc, char **argv, struct options *options,
                   struct failure *why) WARN_UNUSED;
void options_clear (struct options *options);

#endif
