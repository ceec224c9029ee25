/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line. */
#ifndef PULLBACK_GATEWAY_OPTIONS_H
#define PULLBACK_GATEWAY_OPTIONS_H

#include <stdbool.h>

#include "failure.h"

struct gateway_options {
  const char *routes;           /* all texts are borrowed from argv */
  const char *activity;         /* NULL: none */
  const char **unix_paths;      /* the arrays are the owner's, see _free */
  unsigned n_unix;
  const char **tcp_addresses;
  unsigned n_tcp;
  unsigned send_limit;          /* seconds */
  bool verbose;
  bool help, version;           /* asked for; the rest is then not checked */
};

int gateway_options_parse (int argc, char **argv, struct gateway_options *options, struct failure *why) WARN_UNUSED;
void gateway_options_free (struct gateway_options *options);

/* The text of --help. */
extern const char gateway_help[];

#endif
