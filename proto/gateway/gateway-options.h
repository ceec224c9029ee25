/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line. */
#ifndef PULLBACK_GATEWAY_OPTIONS_H
#define PULLBACK_GATEWAY_OPTIONS_H

#include "command-line.h"

struct gateway_options {
  const char *routes;           /* all texts are borrowed from argv */
  const char *activity;         /* NULL: none */
  const char *served;           /* NULL: none */
  const char *maps;             /* NULL: none */
  const char *written;          /* NULL: none */
  const char *user;             /* to become; NULL: nobody else */
  const char *memory;           /* may be NULL */
  const char *backup;           /* says nothing but whose process this is; NULL */
  struct command_line_texts unix_paths, tcp_addresses;  /* see _free */
  int send_limit;               /* seconds */
  bool consume;
  bool verbose;
};

/* 1: --help or --version was all. */
int gateway_options_parse (int argc, char **argv, struct gateway_options *options, struct failure *why) WARN_UNUSED;
void gateway_options_free (struct gateway_options *options);

#endif
